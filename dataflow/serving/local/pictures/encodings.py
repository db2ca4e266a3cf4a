"""Encodings of prompts as values: how a call for many prompts is taken apart, what is kept, and how it is joined again.

Encodings are kept in the machine's memory, not the card's: 4 MB a prompt for FLUX.1 in bfloat16, 16 MB for FLUX.2 dev.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from dataflow.serving.backends import Join

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Encoding:
    """What a pipeline's `encode_prompt` returned for one prompt.

    Args:
        outputs: its tensors in memory.
        device: where they were.
        size: in bytes.
    """

    outputs: tuple[Any, ...]
    device: Any
    size: int


def one_by_one(told: Arguments) -> list[Arguments] | None:
    """The arguments of a call of `encode_prompt` as one call per prompt; None where they cannot be told apart.

    Args:
        told: words, numbers and devices are shared by all prompts; as many words as prompts belong to one each.
    """
    import torch

    prompts = [told["prompt"]] if isinstance(told.get("prompt"), str) else told.get("prompt")
    if not isinstance(prompts, list) or not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        return None
    calls: list[dict[str, Any]] = [{} for _ in prompts]
    for name, value in {**told, "prompt": prompts}.items():
        if isinstance(value, list) and len(value) == len(prompts) and all(isinstance(one, str) for one in value):
            each: list[Any] = [(one,) for one in value]
        elif value is None or isinstance(value, str | int | float | torch.device) or _are_numbers(value):
            each = [tuple(value) if isinstance(value, list) else value] * len(prompts)
        else:
            return None
        for call, one in zip(calls, each, strict=True):
            call[name] = one
    return list(calls)


def key_of(call: Arguments) -> Hashable:
    """What the encoding of a prompt is known by."""
    return tuple(sorted(call.items(), key=lambda item: item[0]))


def as_told(call: Arguments) -> dict[str, Any]:
    """The arguments in the form a pipeline takes, which may write into its lists."""
    return {name: list(value) if _are_words(value) else value for name, value in call.items()}


def in_one(calls: Sequence[Arguments]) -> dict[str, Any]:
    """The arguments of a single call for the prompts of several, which differ in nothing but words."""
    return {
        name: [word for call in calls for word in call[name]] if _are_words(value) else value
        for name, value in calls[0].items()
    }


def split(joins: Sequence[Join], outputs: object, prompts: int) -> list[tuple[Any, ...]] | None:
    """What `encode_prompt` returned for several prompts, as it returns it for each; None where that cannot be told."""
    if not isinstance(outputs, tuple) or len(outputs) != len(joins):
        return None
    parts: list[list[Any]] = []
    for how, output in zip(joins, outputs, strict=True):
        if how == "shared":
            parts.append([output] * prompts)
        elif how == "rows" and len(output) == prompts:
            parts.append([row.clone() for row in output.split(1)])  # one that is kept holds no memory of the others
        elif how == "lists" and len(output) in (0, prompts):  # no negative prompts were asked for
            parts.append([output[at : at + 1] for at in range(prompts)])
        else:
            return None
    return list(zip(*parts, strict=True))


def keep(outputs: tuple[Any, ...]) -> Encoding:
    """What `encode_prompt` returned, in memory."""
    tensors: list[Any] = []

    def away(tensor: Any) -> Any:
        tensors.append(tensor)
        return tensor.to("cpu")

    kept = _each_tensor(outputs, away)
    return Encoding(kept, tensors[0].device, sum(tensor.numel() * tensor.element_size() for tensor in tensors))


def join(joins: Sequence[Join], encodings: Sequence[Encoding]) -> tuple[Any, ...]:
    """What `encode_prompt` returns for a batch, on its device; a single encoding stays as it is."""
    import torch

    back = [_each_tensor(each.outputs, partial(_moved, each.device)) for each in encodings]
    if len(back) == 1:
        return tuple(back[0])
    joined: list[Any] = []
    lengths: list[int] = []
    for at, how in enumerate(joins):
        parts = [outputs[at] for outputs in back]
        if how == "shared":
            joined.append(parts[0])
        elif how == "rows":
            joined.append(torch.cat(parts))
        elif how == "lists":
            joined.append([one for part in parts for one in part])
        elif how == "padded":
            lengths = [part.shape[1] for part in parts]
            longer = [(0, 0, 0, max(lengths) - length) for length in lengths]
            joined.append(torch.cat([torch.nn.functional.pad(*each) for each in zip(parts, longer, strict=True)]))
        else:
            joined.append(_mask(parts, lengths, encodings[0].device))
    return tuple(joined)


def _mask(parts: Sequence[Any], lengths: Sequence[int], device: Any) -> Any:
    """1 for words, 0 for padding; None where the pipeline gave none and nothing is padded."""
    import torch

    longest = max(lengths)
    if all(part is None for part in parts) and min(lengths) == longest:
        return None
    ones = [torch.ones(1, length, dtype=torch.long, device=device) for length in lengths]
    given = [one if part is None else part for part, one in zip(parts, ones, strict=True)]
    return torch.cat([torch.nn.functional.pad(one, (0, longest - one.shape[1])) for one in given])


def _moved(device: Any, tensor: Any) -> Any:
    return tensor.to(device)


def _each_tensor(value: Any, change: Callable[[Any], Any]) -> Any:
    import torch

    if isinstance(value, tuple | list):
        return type(value)(_each_tensor(one, change) for one in value)
    return change(value) if isinstance(value, torch.Tensor) else value


def _are_numbers(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, int | float) for one in value)


def _are_words(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(one, str) for one in value)

"""Encodings of prompts as values: how a call for many prompts is taken apart, what is kept, and how it is joined again.

Encodings are kept in the machine's memory, not the card's: 4 MB a prompt for FLUX.1 in bfloat16, 16 MB for FLUX.2 dev.
What a pipeline returns is `Any` here: tensors, lists of them and None, in an order of its family's own.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dataflow.serving.backends import Join

if TYPE_CHECKING:
    from torch import Tensor, device

Arguments = Mapping[str, Any]
"""Of a call of `encode_prompt` for one prompt: words as tuples of one, and what all prompts of a call share."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """What a pipeline's `encode_prompt` returned for one prompt.

    Args:
        outputs: its tensors in memory.
        place: the device where they were.
        size: in bytes.
    """

    outputs: tuple[Any, ...]
    place: "device"
    size: int


def one_by_one(arguments: Mapping[str, object]) -> list[Arguments] | None:
    """The arguments of a call of `encode_prompt` as one call per prompt; None where they belong to no single prompt.

    Args:
        arguments: words, numbers and devices are shared by all prompts; a list of as many words as there are prompts
            has one for each. Anything else, such as embeddings or pictures, belongs to the call as a whole.
    """
    import torch

    given = arguments.get("prompt")
    prompts = [given] if isinstance(given, str) else given
    if not isinstance(prompts, list) or not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        return None
    calls: list[dict[str, object]] = [{} for _ in prompts]
    for name, value in {**arguments, "prompt": prompts}.items():
        if isinstance(value, list) and len(value) == len(prompts) and all(isinstance(word, str) for word in value):
            each: list[object] = [(word,) for word in value]
        elif value is None or isinstance(value, str | int | float | torch.device) or _are_numbers(value):
            each = [tuple(value) if isinstance(value, list) else value] * len(prompts)
        else:
            return None
        for call, own in zip(calls, each, strict=True):
            call[name] = own
    return list(calls)


def key_of(call: Arguments) -> Hashable:
    """By what an encoding is found again: everything that the call was given."""
    return tuple(sorted(call.items(), key=lambda item: item[0]))


def as_the_pipeline_takes(call: Arguments) -> dict[str, Any]:
    """The arguments with words in lists, which a pipeline may write into."""
    return {name: list(value) if _are_words(value) else value for name, value in call.items()}


def in_one_call(calls: Sequence[Arguments]) -> dict[str, Any]:
    """The arguments of a single call for the prompts of several, which differ in nothing but words."""
    return {
        name: [word for call in calls for word in call[name]] if _are_words(value) else value
        for name, value in calls[0].items()
    }


def split(joins: Sequence[Join], outputs: object, prompts: int) -> list[tuple[Any, ...]] | None:
    """What `encode_prompt` returned for several prompts, as it returns it for each; None for another form."""
    if not isinstance(outputs, tuple) or len(outputs) != len(joins):
        return None
    parts: list[list[Any]] = []
    for how, output in zip(joins, outputs, strict=True):
        if how == "shared":
            parts.append([output] * prompts)
        elif how == "rows" and len(output) == prompts:
            # A clone, since a row kept as a view would hold the memory of all others.
            parts.append([row.clone() for row in output.split(1)])
        elif how == "lists" and len(output) in (0, prompts):  # no negative prompts were asked for
            parts.append([output[at : at + 1] for at in range(prompts)])
        else:
            return None
    return list(zip(*parts, strict=True))


def keep(outputs: tuple[Any, ...]) -> Encoding:
    """What `encode_prompt` returned, in memory."""
    tensors: list[Tensor] = []

    def to_memory(tensor: "Tensor") -> "Tensor":
        tensors.append(tensor)
        return tensor.to("cpu")

    kept = _each_tensor(outputs, to_memory)
    return Encoding(kept, tensors[0].device, sum(tensor.numel() * tensor.element_size() for tensor in tensors))


def join(joins: Sequence[Join], encodings: Sequence[Encoding]) -> tuple[Any, ...]:
    """What `encode_prompt` returns for a batch, on its device; a single encoding stays as it is."""
    import torch

    back = [_each_tensor(each.outputs, partial(_moved, each.place)) for each in encodings]
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
            joined.append([item for part in parts for item in part])
        elif how == "padded":
            lengths = [part.shape[1] for part in parts]
            # `pad` counts from the last side: nothing at the width, zeros behind the words.
            zeros = [(0, 0, 0, max(lengths) - length) for length in lengths]
            joined.append(torch.cat([torch.nn.functional.pad(*each) for each in zip(parts, zeros, strict=True)]))
        else:  # "mask", which stands behind what was padded
            joined.append(_mask(parts, lengths, encodings[0].place))
    return tuple(joined)


def _mask(parts: "Sequence[Tensor | None]", lengths: Sequence[int], place: "device") -> "Tensor | None":
    """1 for words, 0 for padding; None where the pipeline gave none and nothing is padded."""
    import torch

    longest = max(lengths)
    if all(part is None for part in parts) and min(lengths) == longest:
        return None
    ones = [torch.ones(1, length, dtype=torch.long, device=place) for length in lengths]
    given = [one if part is None else part for part, one in zip(parts, ones, strict=True)]
    return torch.cat([torch.nn.functional.pad(mask, (0, longest - mask.shape[1])) for mask in given])


def _moved(place: "device", tensor: "Tensor") -> "Tensor":
    return tensor.to(place)


def _each_tensor(value: Any, change: "Callable[[Tensor], Tensor]") -> Any:
    import torch

    if isinstance(value, tuple | list):
        return type(value)(_each_tensor(item, change) for item in value)
    return change(value) if isinstance(value, torch.Tensor) else value


def _are_numbers(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, int | float) for item in value)


def _are_words(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(item, str) for item in value)

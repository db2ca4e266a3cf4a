"""Encodings of prompts as values: split a call for many prompts into one call per prompt, keep and join encodings.

Encodings are kept in main memory, not on the GPU: 4 MB a prompt for FLUX.1 in bfloat16, 16 MB for FLUX.2 dev.
What a pipeline returns is `Any` here: tensors, lists of tensors and None, in an order that each family chooses.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dataflow.serving.backends import Join

if TYPE_CHECKING:
    from torch import Tensor, device

Arguments = Mapping[str, Any]
"""The arguments of `encode_prompt` for one prompt: a text as a tuple of one, other values as all prompts share them."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """What a pipeline's `encode_prompt` returned for one prompt.

    Args:
        outputs: the values it returned, their tensors in main memory.
        place: the device that the tensors were on.
        size: bytes of the tensors.
    """

    outputs: tuple[Any, ...]
    place: "device"
    size: int


def one_by_one(arguments: Mapping[str, object]) -> list[Arguments] | None:
    """Split a call of `encode_prompt` into one call per prompt.

    Args:
        arguments: those of the call. A text, number or device is shared by all prompts; a list with as many texts as
            there are prompts has one text for each.

    Returns:
        The arguments of each prompt's call; None where an argument, such as embeddings or pictures, belongs to the
        call as a whole.
    """
    import torch

    given = arguments.get("prompt")
    prompts = [given] if isinstance(given, str) else given
    if not isinstance(prompts, list) or not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        return None
    calls: list[dict[str, object]] = [{} for _ in prompts]
    for name, value in {**arguments, "prompt": prompts}.items():
        if isinstance(value, list) and len(value) == len(prompts) and all(isinstance(word, str) for word in value):
            values: list[object] = [(word,) for word in value]
        elif value is None or isinstance(value, str | int | float | torch.device) or _are_numbers(value):
            values = [tuple(value) if isinstance(value, list) else value] * len(prompts)
        else:
            return None
        for call, argument in zip(calls, values, strict=True):
            call[name] = argument
    return list(calls)


def key_of(call: Arguments) -> Hashable:
    """The key of an encoding: every argument of its call."""
    return tuple(sorted(call.items(), key=lambda item: item[0]))


def as_the_pipeline_takes(call: Arguments) -> dict[str, Any]:
    """The arguments with texts in new lists, as the pipeline takes them; the pipeline may write into the lists."""
    return {name: list(value) if _are_words(value) else value for name, value in call.items()}


def in_one_call(calls: Sequence[Arguments]) -> dict[str, Any]:
    """The arguments of one call for the prompts of several calls, which differ in nothing but texts."""
    return {
        name: [word for call in calls for word in call[name]] if _are_words(value) else value
        for name, value in calls[0].items()
    }


def split(joins: Sequence[Join], outputs: object, prompts: int) -> list[tuple[Any, ...]] | None:
    """Split what `encode_prompt` returned for several prompts into what it returns for each.

    Args:
        joins: how the family joins each value for a batch (`Backend.encoded`).
        outputs: what the pipeline returned.
        prompts: the number of prompts.

    Returns:
        The outputs for each prompt; None where the outputs are not of the form that the family describes.
    """
    if not isinstance(outputs, tuple) or len(outputs) != len(joins):
        return None
    parts: list[list[Any]] = []
    for how, output in zip(joins, outputs, strict=True):
        if how == "shared":
            parts.append([output] * prompts)
        elif how == "rows" and len(output) == prompts:
            # A clone, because a view of one row would hold the memory of all rows.
            parts.append([row.clone() for row in output.split(1)])
        elif how == "lists" and len(output) in (0, prompts):  # no negative prompts were asked for
            parts.append([output[number : number + 1] for number in range(prompts)])
        else:
            return None
    return list(zip(*parts, strict=True))


def keep(outputs: tuple[Any, ...]) -> Encoding:
    """Copy what `encode_prompt` returned for one prompt to main memory."""
    tensors: list[Tensor] = []

    def to_memory(tensor: "Tensor") -> "Tensor":
        tensors.append(tensor)
        return tensor.to("cpu")

    kept = _each_tensor(outputs, to_memory)
    return Encoding(kept, tensors[0].device, sum(tensor.numel() * tensor.element_size() for tensor in tensors))


def join(joins: Sequence[Join], encodings: Sequence[Encoding]) -> tuple[Any, ...]:
    """Join the encodings of single prompts into what `encode_prompt` returns for a batch, on the encodings' device.

    Args:
        joins: how the family joins each value (`Backend.encoded`).
        encodings: one or more; a single encoding is returned without joining.
    """
    import torch

    moved = [_each_tensor(encoding.outputs, partial(_moved, encoding.place)) for encoding in encodings]
    if len(moved) == 1:
        return tuple(moved[0])
    joined: list[Any] = []
    lengths: list[int] = []
    for number, how in enumerate(joins):
        parts = [outputs[number] for outputs in moved]
        if how == "shared":
            joined.append(parts[0])
        elif how == "rows":
            joined.append(torch.cat(parts))
        elif how == "lists":
            joined.append([item for part in parts for item in part])
        elif how == "padded":
            lengths = [part.shape[1] for part in parts]
            # `pad` counts from the last axis: nothing along the width, zeros after the last token.
            zeros = [(0, 0, 0, max(lengths) - length) for length in lengths]
            joined.append(torch.cat([torch.nn.functional.pad(*pair) for pair in zip(parts, zeros, strict=True)]))
        else:  # "mask" comes after the "padded" value whose lengths it needs
            joined.append(_mask(parts, lengths, encodings[0].place))
    return tuple(joined)


def _mask(parts: "Sequence[Tensor | None]", lengths: Sequence[int], place: "device") -> "Tensor | None":
    """The joined attention masks, 1 for tokens and 0 for padding; None where the pipeline needs none and gave none."""
    import torch

    longest = max(lengths)
    if all(part is None for part in parts) and min(lengths) == longest:
        return None
    ones = [torch.ones(1, length, dtype=torch.long, device=place) for length in lengths]
    masks = [full if part is None else part for part, full in zip(parts, ones, strict=True)]
    return torch.cat([torch.nn.functional.pad(mask, (0, longest - mask.shape[1])) for mask in masks])


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

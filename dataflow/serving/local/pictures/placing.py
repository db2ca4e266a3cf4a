"""Where the parts of a pipeline lie while it runs: on the card, or brought to it when their turn comes.

Chosen by the card's free memory: the whole model on the card; else text encoders and denoiser in turns, where nothing
is copied while prompts are known (`turns.py`); else one part at a time, which copies each over the
bus once a call and back; else layer by layer, each copied while the one before computes. None of them changes pictures,
so none is in a request's id. Casting weights to fewer bits while they wait would, so it is not used.
"""

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from dataflow.serving.local.pictures.turns import can_leave, can_take_turns, is_denoiser, is_encoder, take_turns
from dataflow.serving.local.runtime import give_back_memory

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

# What pictures need beside the weights: a megapixel in bfloat16, decoding included. An estimate: what does not fit
# all the same is found by running out of memory.
WORKING_BYTES = 5 << 30
# The same for one prompt: hidden states and the logits of 512 to 1,024 tokens.
ENCODING_BYTES = 2 << 30

Way = Literal["whole", "in turns", "part by part", "layer by layer"]
WAYS: tuple[Way, ...] = get_args(Way)


def place(pipeline: Any, device: str) -> Way:
    """Bring a pipeline to its device, in the fastest way that fits.

    Returns:
        The way.

    Raises:
        torch.OutOfMemoryError: no way fits.
    """
    import torch

    if torch.device(device).type != "cuda":
        pipeline.to(device)
        return "whole"
    sizes = waiting_bytes(pipeline, device)
    stuck = [name for name in sizes if not can_leave(getattr(pipeline, name))]
    give_back_memory()  # what quantising took and has no use for
    free, _ = torch.cuda.mem_get_info(device)
    way = choose(sizes, free, stuck, here=lying_bytes(pipeline, device))
    return place_in(pipeline, device, way, sizes, free)


def choose(sizes: Mapping[str, int], free: int, stuck: Collection[str] = (), *, here: int = 0) -> Way:
    """The fastest way that leaves room to work.

    Args:
        sizes: bytes of each part that is not on the card yet.
        free: bytes on the card.
        stuck: parts that cannot leave the card in turns.
        here: bytes of weights that are on the card already; part by part, they leave it too.
    """
    room = free - WORKING_BYTES
    if sum(sizes.values()) <= room:
        return "whole"
    encoders = sum(size for name, size in sizes.items() if is_encoder(name))
    denoiser = sum(size for name, size in sizes.items() if is_denoiser(name))
    others = sum(sizes.values()) - encoders - denoiser
    stays = any(is_denoiser(name) for name in stuck)
    encoding = others + encoders + (denoiser if stays else 0)
    leave = encoders > 0 and not any(is_encoder(name) for name in stuck)
    if leave and others + denoiser <= room and encoding <= free - ENCODING_BYTES:
        return "in turns"
    return "part by part" if room >= 0 and max(sizes.values(), default=0) <= room + here else "layer by layer"


def place_in(pipeline: Any, device: str, way: Way, sizes: Mapping[str, int], free: int) -> Way:
    """Bring it there in this way, or in the next one that does not run out of memory."""
    import torch

    for next_way in WAYS[WAYS.index(way) :]:
        if next_way == "in turns" and not can_take_turns(pipeline):
            continue
        if next_way != "whole":
            log.warning(
                "the weights take %.1f GB and %s has %.1f GB free: the model is brought to it %s, which is slower",
                sum(sizes.values()) / 1e9,
                device,
                free / 1e9,
                next_way,
            )
        try:
            if next_way == "whole":
                pipeline.to(device)
            elif next_way == "in turns":
                take_turns(pipeline, device, beside=sum(sizes.values()) <= free - ENCODING_BYTES)
            elif next_way == "part by part":
                pipeline.enable_model_cpu_offload(device=device)
            else:
                _by_layer(pipeline, device)
            return next_way
        except torch.OutOfMemoryError:
            if next_way == WAYS[-1]:
                raise
            pipeline.to("cpu")
            give_back_memory()
    raise AssertionError(f"{way!r} is none of {WAYS}")


def waiting_bytes(pipeline: Any, device: str) -> dict[str, int]:
    """Bytes of each part's weights that are not on the device."""
    import torch

    target = torch.empty(0, device=device).device  # with its number
    return {
        name: sum(stored_bytes(tensor) for tensor in (*part.parameters(), *part.buffers()) if tensor.device != target)
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
    }


def lying_bytes(pipeline: Any, device: str) -> int:
    """Bytes of its weights that are on the device."""
    import torch

    parts = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    tensors = [tensor for part in parts for tensor in (*part.parameters(), *part.buffers())]
    return sum(stored_bytes(tensor) for tensor in tensors) - sum(waiting_bytes(pipeline, device).values())


def stored_bytes(tensor: "Tensor") -> int:
    """Bytes of a tensor.

    One in fewer bits says the shape and dtype of what it stands for, so its own are those of the tensors it wraps.
    """
    if hasattr(tensor, "__tensor_flatten__"):
        return sum(stored_bytes(getattr(tensor, name)) for name in tensor.__tensor_flatten__()[0])
    return int(tensor.numel() * tensor.element_size())


def _by_layer(pipeline: Any, device: str) -> None:
    import torch

    streams = torch.device(device).type == "cuda"
    pipeline.enable_group_offload(
        onload_device=torch.device(device),
        offload_device=torch.device("cpu"),
        offload_type="leaf_level",
        use_stream=streams,
        low_cpu_mem_usage=streams,
    )

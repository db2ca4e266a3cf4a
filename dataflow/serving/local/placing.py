"""Where the parts of a pipeline lie while it runs: on the card, or brought to it when their turn comes.

Chosen by the card's free memory: the whole model on the card; else one part at a time (text encoders, transformer,
VAE), which copies each over the bus once a call; else layer by layer, each copied while the one before computes. None
of them changes pictures, so none is in a request's id. Casting weights to fewer bits while they wait would, so it is
not used.
"""

import logging
from collections.abc import Mapping
from typing import Any

from dataflow.serving.local.runtime import give_back_memory

log = logging.getLogger(__name__)

# What pictures need beside the weights: a megapixel in bfloat16, decoding included. An estimate: what does not fit
# all the same is found by running out of memory.
WORKING_BYTES = 5 << 30
WAYS = ("whole", "part by part", "layer by layer")


def place(pipeline: Any, device: str) -> str:
    """Bring a pipeline to its device, in the fastest way that fits.

    Returns:
        The way: one of `WAYS`.

    Raises:
        torch.OutOfMemoryError: no way fits.
    """
    import torch

    if torch.device(device).type != "cuda":
        pipeline.to(device)
        return WAYS[0]
    sizes = waiting_bytes(pipeline, device)
    free, _ = torch.cuda.mem_get_info(device)
    return place_in(pipeline, device, choose(sizes, free), sizes, free)


def choose(sizes: Mapping[str, int], free: int) -> str:
    """The fastest way that leaves room to work.

    Args:
        sizes: bytes of each part that is not on the card yet.
        free: bytes on the card.
    """
    room = free - WORKING_BYTES
    if sum(sizes.values()) <= room:
        return WAYS[0]
    return WAYS[1] if max(sizes.values(), default=0) <= room else WAYS[2]


def place_in(pipeline: Any, device: str, way: str, sizes: Mapping[str, int], free: int) -> str:
    """Bring it there in this way, or in the next one that does not run out of memory."""
    import torch

    for next_way in WAYS[WAYS.index(way) :]:
        if next_way != WAYS[0]:
            log.warning(
                "the weights take %.1f GB and %s has %.1f GB free: the model is brought to it %s, which is slower",
                sum(sizes.values()) / 1e9,
                device,
                free / 1e9,
                next_way,
            )
        try:
            if next_way == WAYS[0]:
                pipeline.to(device)
            elif next_way == WAYS[1]:
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
    sizes = {}
    for name, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module):
            tensors = [*part.parameters(), *part.buffers()]
            away = [tensor for tensor in tensors if tensor.device != target]
            sizes[name] = sum(tensor.numel() * tensor.element_size() for tensor in away)
    return sizes


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

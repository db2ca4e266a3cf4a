"""Where a pipeline's parts lie while it runs: on the GPU, or in main memory until they are used (offloading).

`place` chooses by the GPU's free memory, in this order: the whole model on the GPU; text encoders and denoiser in
turns, where nothing is copied as long as the prompts are known (`gpu_turns.py`); one part at a time, which copies each
part over the bus once a call; layer by layer, where each layer is copied while the one before computes. No way of
placing changes pictures, so none is part of a request's id. Storing waiting weights in fewer bits would change
pictures, so no way does that.
"""

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from dataflow.serving.local.pictures.gpu_turns import can_leave, can_take_turns, is_denoiser, is_encoder, take_turns
from dataflow.serving.local.runtime import give_back_memory

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

# Bytes that drawing a picture of one megapixel in bfloat16 takes beside the weights, decoding included. This is an
# estimate: a picture that does not fit runs out of memory, and that is handled too.
WORKING_BYTES = 5 << 30
# Bytes that encoding one prompt takes beside the weights: the hidden states and logits of 512 to 1,024 tokens.
ENCODING_BYTES = 2 << 30

Way = Literal["whole", "in turns", "part by part", "layer by layer"]
WAYS: tuple[Way, ...] = get_args(Way)  # from the fastest to the one that needs the least memory


def place(pipeline: Any, device: str) -> Way:
    """Bring a pipeline to its device, in the fastest way that fits.

    Args:
        pipeline: of diffusers, its weights loaded.
        device: torch's name; any device but a CUDA GPU takes the whole model.

    Returns:
        The way that was chosen.

    Raises:
        torch.OutOfMemoryError: no way fits.
    """
    import torch

    if torch.device(device).type != "cuda":
        pipeline.to(device)
        return "whole"
    sizes = bytes_elsewhere(pipeline, device)
    stuck = [name for name in sizes if not can_leave(getattr(pipeline, name))]
    give_back_memory()  # quantising leaves memory that torch holds unused
    free, _ = torch.cuda.mem_get_info(device)
    way = choose(sizes, free, stuck, here=bytes_on(pipeline, device))
    return place_in(pipeline, device, way, sizes, free)


def choose(sizes: Mapping[str, int], free: int, stuck: Collection[str] = (), *, here: int = 0) -> Way:
    """The fastest way that leaves enough memory for drawing and encoding.

    Args:
        sizes: the name of each part, and the bytes of its weights that are not on the GPU yet.
        free: free bytes of the GPU.
        stuck: names of the parts that cannot be swapped out in turns (`can_leave`).
        here: bytes of weights that are on the GPU already; the way "part by part" removes them too.
    """
    room = free - WORKING_BYTES
    if sum(sizes.values()) <= room:
        return "whole"
    encoders = sum(size for name, size in sizes.items() if is_encoder(name))
    denoiser = sum(size for name, size in sizes.items() if is_denoiser(name))
    rest = sum(sizes.values()) - encoders - denoiser
    denoiser_stays = any(is_denoiser(name) for name in stuck)
    while_encoding = rest + encoders + (denoiser if denoiser_stays else 0)
    encoders_leave = encoders > 0 and not any(is_encoder(name) for name in stuck)
    if encoders_leave and rest + denoiser <= room and while_encoding <= free - ENCODING_BYTES:
        return "in turns"
    return "part by part" if room >= 0 and max(sizes.values(), default=0) <= room + here else "layer by layer"


def place_in(pipeline: Any, device: str, way: Way, sizes: Mapping[str, int], free: int) -> Way:
    """Bring a pipeline to its device in a given way, or in the next way that does not run out of memory.

    Args:
        pipeline: of diffusers, its weights loaded.
        device: torch's name.
        way: the way to try first.
        sizes: the bytes of each part that is not on the device yet, for the log and for `take_turns`.
        free: free bytes of the device.

    Returns:
        The way that fitted.

    Raises:
        torch.OutOfMemoryError: not even the last way fits.
    """
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
                _offload_by_layer(pipeline, device)
            return next_way
        except torch.OutOfMemoryError:
            if next_way == WAYS[-1]:
                raise
            pipeline.to("cpu")
            give_back_memory()
    raise AssertionError(f"{way!r} is none of {WAYS}")


def bytes_elsewhere(pipeline: Any, device: str) -> dict[str, int]:
    """The name of each part, and the bytes of its weights that are not on the device."""
    import torch

    target = torch.empty(0, device=device).device  # "cuda" becomes "cuda:0", which compares equal to a weight's device
    return {
        name: sum(stored_bytes(tensor) for tensor in (*part.parameters(), *part.buffers()) if tensor.device != target)
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
    }


def bytes_on(pipeline: Any, device: str) -> int:
    """The bytes of a pipeline's weights that are on the device."""
    import torch

    parts = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    tensors = [tensor for part in parts for tensor in (*part.parameters(), *part.buffers())]
    return sum(stored_bytes(tensor) for tensor in tensors) - sum(bytes_elsewhere(pipeline, device).values())


def stored_bytes(tensor: "Tensor") -> int:
    """The bytes that a tensor takes in memory.

    A quantised tensor reports the shape and dtype of the tensor that it stands for, so its bytes are counted on the
    tensors that it wraps.
    """
    if hasattr(tensor, "__tensor_flatten__"):
        return sum(stored_bytes(getattr(tensor, name)) for name in tensor.__tensor_flatten__()[0])
    return int(tensor.numel() * tensor.element_size())


def _offload_by_layer(pipeline: Any, device: str) -> None:
    import torch

    streams = torch.device(device).type == "cuda"
    pipeline.enable_group_offload(
        onload_device=torch.device(device),
        offload_device=torch.device("cpu"),
        offload_type="leaf_level",
        use_stream=streams,
        low_cpu_mem_usage=streams,
    )

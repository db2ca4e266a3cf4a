"""Estimate, before anything is loaded, whether a GPU will hold a whole model.

The estimate reads the headers of the weight files. It decides only how many calls a worker holds at once, and that
number is settled before the worker's process starts. The process that loads the model measures what really fits
(`placing.py`).
"""

from collections.abc import Collection, Mapping, Sequence
from math import prod
from pathlib import Path

from dataflow.models.checkpoint import Checkpoint
from dataflow.models.header import StoredTensor, read_header
from dataflow.serving.local.pictures.gpu_turns import is_denoiser
from dataflow.serving.local.pictures.placing import choose

# Pictures that a worker holds at once where text encoders are swapped in and out. Copying encoders of 10 GB to the GPU
# takes about a second of the bus; so many prompts share that second.
PICTURES_AHEAD = 16
_RESERVED = 1 << 30  # bytes of an idle GPU that the driver and torch occupy
_CAST = ("F64", "F32", "F16", "BF16")  # stored dtypes that `from_pretrained` casts to the dtype asked for
_LOADED = {"float32": 4, "float16": 2, "bfloat16": 2}  # bytes of one number


def will_be_offloaded(
    checkpoint: Checkpoint, devices: Sequence[str], dtype: str | None, pipe_kwargs: Mapping[str, object], *, fp8: bool
) -> bool:
    """Whether text encoders will be copied to the smallest of these GPUs for each use and removed after it.

    Args:
        checkpoint: on disk, with all of its files.
        devices: torch's names.
        dtype: the dtype of the weights once loaded; None for bfloat16.
        pipe_kwargs: the user's arguments for `from_pretrained`; parts that the user hands over are not counted.
        fp8: whether the denoiser's weights are brought to 8 bits.
    """
    gpus = [name for name in devices if name.startswith("cuda")]
    if not gpus or pipe_kwargs.keys() & {"device_map", "quantization_config"}:
        return False
    import torch

    width = _LOADED.get(dtype or "bfloat16", 2)
    sizes = weight_bytes(checkpoint, width, variant=str(pipe_kwargs.get("variant") or ""), without=pipe_kwargs.keys())
    if fp8:
        sizes = {name: size // 2 if is_denoiser(name) else size for name, size in sizes.items()}
    smallest = min(torch.cuda.get_device_properties(name).total_memory for name in gpus)
    return choose(sizes, smallest - _RESERVED) in ("in turns", "part by part")


def weight_bytes(
    checkpoint: Checkpoint, width: int, *, variant: str = "", without: Collection[str] = ()
) -> dict[str, int]:
    """The bytes that each part's weights will take once loaded, computed from the headers of the files.

    Args:
        checkpoint: on disk, with all of its files.
        width: bytes of one floating point number once loaded.
        variant: the variant of the files, as `from_pretrained` takes it; empty for files without one.
        without: names of parts to leave out.

    Returns:
        The name of each part that has weights, and its bytes.
    """
    sizes = {}
    for name in checkpoint.parts():
        files = [] if name in without else sorted((checkpoint.folder / name).glob("*.safetensors"))
        tensors = [tensor for path in files if _variant(path) == variant for tensor in read_header(path).values()]
        total = sum(_loaded_bytes(tensor, width) for tensor in tensors)
        if total:
            sizes[name] = total
    return sizes


def _variant(path: Path) -> str:
    """The `fp16` of model.fp16.safetensors and of model.fp16-00001-of-00002.safetensors."""
    return path.name.removesuffix(".safetensors").partition("-")[0].partition(".")[2]


def _loaded_bytes(tensor: StoredTensor, width: int) -> int:
    return prod(tensor.shape) * width if tensor.dtype in _CAST else tensor.end - tensor.begin

"""Whether a card will hold a model whole, estimated from the headers of its files before anything is loaded.

It decides only how many calls a worker has in hand, which is settled before its process starts. What really fits is
found out by the process that loads the model.
"""

from collections.abc import Collection, Mapping, Sequence
from math import prod
from pathlib import Path

from dataflow.models.checkpoint import Checkpoint
from dataflow.models.header import StoredTensor, read_header
from dataflow.serving.local.pictures.placing import choose
from dataflow.serving.local.pictures.turns import is_denoiser

# Pictures in hand where text encoders come and go: a visit of 10 GB costs about a second of a bus, shared by so many.
PICTURES_AHEAD = 16
_TAKEN = 1 << 30  # of a card that nobody uses: the driver's and torch's own
_CAST = ("F64", "F32", "F16", "BF16")  # what `from_pretrained` brings to the dtype asked for
_LOADED = {"float32": 4, "float16": 2, "bfloat16": 2}  # bytes a number


def comes_in_portions(
    checkpoint: Checkpoint, devices: Sequence[str], dtype: str | None, given: Mapping[str, object], *, fp8: bool
) -> bool:
    """Whether text encoders will come to the smallest of these cards and leave it again.

    Args:
        checkpoint: whole, on disk.
        devices: torch's names.
        dtype: of the weights once loaded; None for bfloat16.
        given: the user's arguments for `from_pretrained`; parts handed over ready-made are not counted.
        fp8: the denoiser is brought to 8 bits.
    """
    cards = [name for name in devices if name.startswith("cuda")]
    if not cards or given.keys() & {"device_map", "quantization_config"}:
        return False
    import torch

    width = _LOADED.get(dtype or "bfloat16", 2)
    sizes = weight_bytes(checkpoint, width, variant=str(given.get("variant") or ""), without=given.keys())
    if fp8:
        sizes = {name: size // 2 if is_denoiser(name) else size for name, size in sizes.items()}
    smallest = min(torch.cuda.get_device_properties(name).total_memory for name in cards)
    return choose(sizes, smallest - _TAKEN) in ("in turns", "part by part")


def weight_bytes(
    checkpoint: Checkpoint, width: int, *, variant: str = "", without: Collection[str] = ()
) -> dict[str, int]:
    """Bytes of each part's weights once loaded, from the headers of its files.

    Args:
        checkpoint: whole, on disk.
        width: bytes of a floating point number once loaded.
        variant: of the files, as `from_pretrained` takes it; empty for those without.
        without: parts to leave out.
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
    """The `fp16` of model.fp16.safetensors and model.fp16-00001-of-00002.safetensors."""
    return path.name.removesuffix(".safetensors").partition("-")[0].partition(".")[2]


def _loaded_bytes(tensor: StoredTensor, width: int) -> int:
    return prod(tensor.shape) * width if tensor.dtype in _CAST else tensor.end - tensor.begin

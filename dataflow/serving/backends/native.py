"""The size a checkpoint of FLUX.1 was trained at, as the checkpoint itself declares it."""

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends.canvas import GRID

_USUAL = 1024
_UNDECLARED = 32  # the `sample_size` that diffusers' AutoencoderKL writes where its trainer declared none


def native_side(checkpoint: Checkpoint) -> int:
    """The side in pixels of the square pictures that a checkpoint was trained on: its autoencoder's `sample_size`.

    Source: 1024 in the vae/config.json of FLUX.1-dev, FLUX.1-schnell and FLUX.1-Kontext-dev.
    """
    declared = checkpoint.config("vae").get("sample_size")
    if not isinstance(declared, int) or declared <= _UNDECLARED:
        return _USUAL
    return -(-declared // GRID) * GRID

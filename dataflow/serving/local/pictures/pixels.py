"""Turn the tensor of a call into 8-bit pictures, on the device that drew them.

On a GPU the launch thread waits neither for the drawing nor for the copy to main memory: the copy runs while the next
call is launched, and the CPU's share of the work is `PIL.Image.fromarray`. The pixels equal those of diffusers'
`output_type="pil"`, because the operations are the same and IEEE 754 fixes how each rounds, on every device.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from dataflow.errors import Failure

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor
    from torch.cuda import Event

Drawn: TypeAlias = "Image | Pixels | Failure"

_NAN = "the model computed no numbers (NaN): load it with dtype='bfloat16' or 'float32'"


@dataclass(frozen=True, slots=True)
class Pixels:
    """One picture of a call; its copy to main memory may still be running.

    Args:
        levels: the pixels, a uint8 tensor of height x width x channels, 0 to 255.
        is_broken: a tensor with one element, whether some of the drawn values were NaN.
        arrived: the CUDA event after which both tensors are in main memory; None where they already are.
    """

    levels: "Tensor"
    is_broken: "Tensor"
    arrived: "Event | None" = None

    def image(self) -> "Image | Failure":
        """Wait for the picture and return it, or a failure if some of its pixels are NaN; thread-safe."""
        from PIL import Image

        if self.arrived is not None:
            self.arrived.synchronize()
        if bool(self.is_broken):
            return Failure("refused", _NAN)
        levels = self.levels.numpy()
        return Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)


def pixels_of(images: "Tensor") -> list[Pixels]:
    """The n pictures of a call; runs on the launch thread, whose stream the copies must follow.

    Args:
        images: a tensor of n x channels x height x width, 0 to 1, as `output_type="pt"` gives it.
    """
    import torch

    # Source: diffusers' VaeImageProcessor.pt_to_numpy and numpy_to_pil.
    levels = (images.float() * 255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    broken = images.flatten(1).sum(1).isnan()
    arrived: Event | None = None
    if images.device.type == "cuda":
        # The copies run on the stream that drew the picture, so no later kernel overwrites the memory they read.
        levels, broken = (_pinned(tensor).copy_(tensor, non_blocking=True) for tensor in (levels, broken))
        arrived = torch.cuda.Event(blocking=True)
        arrived.record(torch.cuda.current_stream(images.device))
    else:
        levels, broken = levels.cpu(), broken.cpu()
    return [Pixels(picture, is_broken, arrived) for picture, is_broken in zip(levels, broken, strict=True)]


def _pinned(like: "Tensor") -> "Tensor":
    """An empty CPU tensor of that shape in pinned memory, to which a GPU copies without blocking the CPU."""
    import torch

    return torch.empty_like(like, device="cpu", pin_memory=True)

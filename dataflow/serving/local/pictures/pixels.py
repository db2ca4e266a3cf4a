"""From the tensors of a call to pictures: 8-bit where they were drawn, copied while the next call is launched.

On a GPU the launch thread waits for neither the drawing nor the copy, and the processor's share of the work is what
`PIL.Image.fromarray` takes. The levels are those of diffusers' `output_type="pil"`: the same operations, each rounded
as IEEE 754 says, on another device.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from dataflow.errors import Failure

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor
    from torch.cuda import Event

Drawn: TypeAlias = "Image | Pixels | Failure"

_LOST = "the model computed no numbers (NaN): load it with dtype='bfloat16' or 'float32'"


@dataclass(frozen=True, slots=True)
class Pixels:
    """One picture of a call, perhaps still on its way to memory.

    Args:
        levels: a tensor of height x width x channels, 0 to 255, uint8.
        lost: a tensor with one element, whether some of them were no numbers.
        arrived: the CUDA event after which both are in memory; None where they are.
    """

    levels: "Tensor"
    lost: "Tensor"
    arrived: "Event | None" = None

    def image(self) -> "Image | Failure":
        """The picture, once it is there, unless some of its pixels are no numbers; may be called from any thread."""
        from PIL import Image

        if self.arrived is not None:
            self.arrived.synchronize()
        if bool(self.lost):
            return Failure("refused", _LOST)
        levels = self.levels.numpy()
        return Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)


def pixels_of(images: "Tensor") -> list[Pixels]:
    """The pictures of a call; runs on the thread that launched it.

    Args:
        images: a tensor of n x channels x height x width, 0 to 1, as `output_type="pt"` gives it.
    """
    import torch

    # Source: diffusers' VaeImageProcessor.pt_to_numpy and numpy_to_pil.
    levels = (images.float() * 255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    lost = images.flatten(1).sum(1).isnan()
    arrived: Event | None = None
    if images.device.type == "cuda":
        # The copies are next in the line of work that drew them, so nobody reuses what they read before they have.
        levels, lost = (_pinned(each).copy_(each, non_blocking=True) for each in (levels, lost))
        arrived = torch.cuda.Event(blocking=True)
        arrived.record(torch.cuda.current_stream(images.device))
    else:
        levels, lost = levels.cpu(), lost.cpu()
    return [Pixels(*each, arrived) for each in zip(levels, lost, strict=True)]


def _pinned(like: "Tensor") -> "Tensor":
    """Memory of that shape which a GPU writes to by itself."""
    import torch

    return torch.empty_like(like, device="cpu", pin_memory=True)

"""Let text encoders and the denoiser take turns on a GPU that cannot hold the whole pipeline.

The encoders are copied to the GPU when one of them is called, and removed when the denoiser is called, so that drawing
has their memory. The denoiser is removed for the encoders only where both do not fit side by side; its compiled code
still works when it is copied back. Main memory keeps a copy of all swapped weights, and weights do not change, so
removing a part from the GPU copies nothing. Every other part (VAE, image encoder) stays on the GPU. The cost is one
copy of the encoders over the bus each time a prompt is encoded that is not kept yet.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dataflow.serving.local.patches import before_forward
from dataflow.serving.local.runtime import give_back_memory

if TYPE_CHECKING:
    from torch import Tensor, device
    from torch.nn import Module

log = logging.getLogger(__name__)


def is_encoder(name: str) -> bool:
    """Whether a pipeline's part of this name encodes prompts."""
    return name.startswith("text_encoder")


def is_denoiser(name: str) -> bool:
    """Whether a pipeline's part of this name runs once a step."""
    return name.startswith(("transformer", "unet"))


def can_leave(part: "Module") -> bool:
    """Whether a part can be swapped: all of its weights are plain tensors in main memory.

    A quantised weight wraps other tensors, which `Swapped` would not move, or is on the GPU already.
    """
    import torch

    plain = (torch.Tensor, torch.nn.Parameter)
    return all(type(tensor) in plain and tensor.device.type == "cpu" for tensor in _tensors([part]))


def can_take_turns(pipeline: Any) -> bool:
    """Whether a pipeline has text encoders, and all of them can be swapped."""
    encoders = [part for name, part in pipeline.components.items() if is_encoder(name) and part is not None]
    return bool(encoders) and all(can_leave(part) for part in encoders)


class Swapped:
    """Parts that are copied to a GPU together and removed from it together; main memory keeps their weights.

    Args:
        parts: torch modules, their weights in main memory.
        device: the GPU.

    Attributes:
        here: whether the parts are on the GPU.
    """

    def __init__(self, parts: "Sequence[Module]", device: "device") -> None:
        self.here = False
        self._device = device
        # Only the `.data` of a parameter is swapped. The parameter itself stays, so tied weights stay tied, and
        # compiled code, which checks the identity of a model's parameters, runs again without another compilation.
        self._at_home = [(tensor, tensor.data) for tensor in _tensors(parts)]

    def come(self) -> None:
        """Copy the weights to the GPU, unless they are there.

        Raises:
            torch.OutOfMemoryError: the weights do not fit; none of them stays on the GPU.
        """
        import torch

        if self.here:
            return
        try:
            for tensor, home in self._at_home:
                tensor.data = home.to(self._device, copy=True)
        except torch.OutOfMemoryError:
            self._drop()
            raise
        self.here = True

    def leave(self) -> None:
        """Remove the copies on the GPU, if there are any."""
        if self.here:
            self._drop()
            self.here = False
            give_back_memory()

    def _drop(self) -> None:
        for tensor, home in self._at_home:
            tensor.data = home


class Turns:
    """Which of a pipeline's parts are on the GPU.

    Args:
        encoders: the text encoders.
        denoiser: the denoiser; None where it is on the GPU and stays there.
        beside: whether the encoders are expected to fit on the GPU beside the denoiser.
    """

    def __init__(self, encoders: Swapped, denoiser: Swapped | None, *, beside: bool) -> None:
        self._encoders = encoders
        self._denoiser = denoiser
        self._beside = beside

    def encode(self) -> None:
        """Bring the encoders to the GPU, and remove the denoiser if both do not fit.

        Raises:
            torch.OutOfMemoryError: the encoders do not fit without the denoiser either.
        """
        import torch

        if self._encoders.here:
            return
        if self._denoiser is not None and not self._beside:
            self._denoiser.leave()
        try:
            self._encoders.come()
            return
        except torch.OutOfMemoryError:
            if self._denoiser is None or not self._denoiser.here:
                raise
        log.warning("the text encoders do not fit beside the denoiser: from now on it leaves the card for them")
        self._beside = False
        self._denoiser.leave()
        self._encoders.come()

    def draw(self) -> None:
        """Bring the denoiser to the GPU, and remove the encoders.

        Raises:
            torch.OutOfMemoryError: the denoiser does not fit.
        """
        self._encoders.leave()
        if self._denoiser is not None:
            self._denoiser.come()


def take_turns(pipeline: Any, device: str, *, beside: bool) -> Turns:
    """Bring every part of a pipeline but its text encoders to the GPU; swap encoders and denoiser from then on.

    Args:
        pipeline: of diffusers, with text encoders and a denoiser.
        device: torch's name.
        beside: whether the encoders are expected to fit on the GPU beside the denoiser.

    Raises:
        torch.OutOfMemoryError: the parts without the text encoders do not fit.
    """
    import torch

    target = torch.empty(0, device=device).device  # "cuda" becomes "cuda:0", which compares equal to a weight's device
    parts = {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}
    encoders = [part for name, part in parts.items() if is_encoder(name)]
    denoiser = [part for name, part in parts.items() if is_denoiser(name)]
    staying = [part for name, part in parts.items() if not is_encoder(name) and not is_denoiser(name)]
    leaves = all(can_leave(part) for part in denoiser)
    for part in staying if leaves else [*staying, *denoiser]:
        part.to(target)
    turns = Turns(Swapped(encoders, target), Swapped(denoiser, target) if leaves else None, beside=beside)
    turns.draw()
    for group, turn in ((encoders, turns.encode), (denoiser, turns.draw), (staying, _nothing)):
        for part in group:
            before_forward(part, target, turn)
    return turns


def _nothing() -> None:
    """Swap nothing: the part that is called stays on the GPU."""


def _tensors(parts: "Sequence[Module]") -> "list[Tensor]":
    """The weights and buffers of some parts; a tensor that two parts share occurs once."""
    found: dict[int, Tensor] = {
        id(tensor): tensor for part in parts for tensor in (*part.parameters(), *part.buffers())
    }
    return list(found.values())

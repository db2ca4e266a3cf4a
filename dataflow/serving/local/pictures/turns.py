"""Text encoders and the denoiser taking turns on the card, for a pipeline that does not fit on it whole.

The encoders come when one of them is called and leave when the denoiser is, so drawing has their room. The denoiser
leaves for them only where both do not fit side by side; compiled code takes it back as it was. Weights do not change,
so what leaves is not copied: it is dropped, and a copy stays in memory. Everything else (VAE, image encoder) stays on
the card. The price is one copy over the bus of what comes, each time prompts are encoded that are not known yet.
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
    """Whether a part lies in memory whole, in plain tensors.

    One in fewer bits wraps tensors of its own, which `Away` would not move, or is on the card already.
    """
    import torch

    plain = (torch.Tensor, torch.nn.Parameter)
    return all(type(tensor) in plain and tensor.device.type == "cpu" for tensor in _tensors([part]))


def can_take_turns(pipeline: Any) -> bool:
    """Whether it has text encoders, and all of them can leave the card."""
    encoders = [part for name, part in pipeline.components.items() if is_encoder(name) and part is not None]
    return bool(encoders) and all(can_leave(part) for part in encoders)


class Away:
    """Parts that lie in memory and come to the card together.

    Args:
        parts: torch modules, their weights in memory.
        device: the card.

    Attributes:
        here: whether they are on the card.
    """

    def __init__(self, parts: "Sequence[Module]", device: "device") -> None:
        self.here = False
        self._device = device
        # Swapping `.data` leaves the parameters themselves in place, so tied weights stay tied and compiled code, which
        # knows a model by its parameters, takes them back.
        self._at_home = [(tensor, tensor.data) for tensor in _tensors(parts)]

    def come(self) -> None:
        """Copy the weights to the card, if they are not there.

        Raises:
            torch.OutOfMemoryError: they do not fit; none is there.
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
        """Drop the copies on the card, if there are any."""
        if self.here:
            self._drop()
            self.here = False
            give_back_memory()

    def _drop(self) -> None:
        for tensor, home in self._at_home:
            tensor.data = home


class Turns:
    """Who is on the card.

    Args:
        encoders: of text.
        denoiser: None where it is on the card and stays there.
        beside: the encoders should fit on the card beside the denoiser.
    """

    def __init__(self, encoders: Away, denoiser: Away | None, *, beside: bool) -> None:
        self._encoders = encoders
        self._denoiser = denoiser
        self._beside = beside

    def encode(self) -> None:
        """Have the encoders on the card.

        Raises:
            torch.OutOfMemoryError: they do not fit.
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
        """Have the denoiser on the card, and the encoders away.

        Raises:
            torch.OutOfMemoryError: it does not fit.
        """
        self._encoders.leave()
        if self._denoiser is not None:
            self._denoiser.come()


def take_turns(pipeline: Any, device: str, *, beside: bool) -> Turns:
    """Bring a pipeline to its card but for its text encoders, and have them come when they are called.

    Args:
        pipeline: of diffusers, with text encoders and a denoiser.
        device: torch's name.
        beside: the encoders should fit on the card beside the denoiser.

    Raises:
        torch.OutOfMemoryError: the rest does not fit.
    """
    import torch

    target = torch.empty(0, device=device).device  # "cuda" with its number, to compare with
    parts = {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}
    encoders = [part for name, part in parts.items() if is_encoder(name)]
    denoiser = [part for name, part in parts.items() if is_denoiser(name)]
    others = [part for name, part in parts.items() if not is_encoder(name) and not is_denoiser(name)]
    leaves = all(can_leave(part) for part in denoiser)
    for part in others if leaves else [*others, *denoiser]:
        part.to(target)
    turns = Turns(Away(encoders, target), Away(denoiser, target) if leaves else None, beside=beside)
    turns.draw()
    for some, turn in ((encoders, turns.encode), (denoiser, turns.draw), (others, _nothing)):
        for part in some:
            before_forward(part, target, turn)
    return turns


def _nothing() -> None:
    """Parts that are on the card already."""


def _tensors(parts: "Sequence[Module]") -> "list[Tensor]":
    """Weights and buffers, each once, though two parts may share it."""
    found: dict[int, Tensor] = {
        id(tensor): tensor for part in parts for tensor in (*part.parameters(), *part.buffers())
    }
    return list(found.values())

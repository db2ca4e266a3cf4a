"""Optimises the demo model's weights: which by Muon, which by Adam, and with which step size at which step."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from benchmarks.demo_model.muon import Muon

_WARM_UP = 100
_LONGEST_GRADIENT = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The step sizes over a training: a short rise, a plateau, a linear fall to zero.

    Args:
        steps: the number of steps, one batch each.
        fall: the share of the steps, at the end, over which the step size falls.
        muon: the step size on the plateau for matrices.
        adam: the step size on the plateau for all other weights.
    """

    steps: int
    fall: float
    muon: float
    adam: float

    def at(self, step: int) -> float:
        """The share of the plateau's step size that step number `step` (from 0) takes."""
        rise = min(1.0, (step + 1) / _WARM_UP)
        return rise * max(0.0, min(1.0, (self.steps - step) / (self.fall * self.steps)))


class Optimiser:
    """Muon for hidden matrices, Adam for embeddings, first and last layers, norms and biases.

    Args:
        modules: the modules whose weights are trained.
        pace: the step sizes.
        outer: how names of modules begin whose matrices are optimised by Adam too.
    """

    def __init__(self, modules: Iterable[nn.Module], pace: Pace, *, outer: tuple[str, ...] = ()) -> None:
        matrices: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for module in modules:
            embeddings = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
            for name, weight in module.named_parameters():
                is_hidden = weight.ndim >= 2 and id(weight) not in embeddings and not name.startswith(outer)
                (matrices if is_hidden else others).append(weight)
        self.weights = [*matrices, *others]
        self.pace = pace
        self._muon = Muon(matrices, lr=pace.muon)
        self._adam = torch.optim.AdamW(others, lr=pace.adam, betas=(0.9, 0.98), weight_decay=0.0)

    def move(self, step: int) -> None:
        """Takes the step number `step` along the gradients, and clears the gradients."""
        share = self.pace.at(step)
        nn.utils.clip_grad_norm_(self.weights, _LONGEST_GRADIENT)
        for optimiser, size in ((self._muon, self.pace.muon), (self._adam, self.pace.adam)):
            for group in optimiser.param_groups:
                group["lr"] = size * share
            optimiser.step()
            optimiser.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Both optimisers' states."""
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a saved state."""
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])

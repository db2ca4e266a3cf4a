"""Keeps the state of a training that may be killed at any moment: one file, replaced whole every few minutes."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

SAVE_EVERY = 180.0
"""Seconds between two saves."""


class Stateful(Protocol):
    """What can be put into a checkpoint: modules and optimisers."""

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to continue training."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> object:
        """Continues from a saved state."""


class Checkpoint:
    """The state of one stage of training.

    Args:
        path: the file; its folder exists.
        parts: what is saved and restored, by name.
        every: seconds between saves.
    """

    def __init__(self, path: Path, parts: Mapping[str, Stateful], *, every: float = SAVE_EVERY) -> None:
        self.path = path
        self.parts = parts
        self.every = every
        self.step = 0
        self.seconds = 0.0
        self._since = time.monotonic()
        self._saved = time.monotonic()

    @property
    def hours(self) -> float:
        """Time spent on this stage so far, over all runs."""
        return (self.seconds + time.monotonic() - self._since) / 3600

    def restore(self) -> None:
        """Loads the file if there is one; `step` and `seconds` then say how much training the file has."""
        if self.path.exists():
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
            self.step, self.seconds = state["step"], state["seconds"]
        self._since = self._saved = time.monotonic()

    def advance(self, *, last: bool = False) -> None:
        """Counts one step, and saves when the last save is old enough or this was the last step."""
        self.step += 1
        if last or time.monotonic() - self._saved > self.every:
            self.save()

    def save(self) -> None:
        """Writes the state to a file beside the checkpoint, and renames it to the checkpoint."""
        now = time.monotonic()
        self.seconds += now - self._since
        self._since = self._saved = now
        state = {name: part.state_dict() for name, part in self.parts.items()}
        save_whole({**state, "step": self.step, "seconds": self.seconds}, self.path)


def save_whole(state: Mapping[Any, Any], path: Path) -> None:
    """Writes a file of tensors so that it is either there whole or not at all."""
    part = path.with_suffix(path.suffix + ".part")
    with part.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)

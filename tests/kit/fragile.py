"""Parts of a pipeline that fail as on a full or broken card, in a module that worker processes can import."""

import os
import signal
from pathlib import Path

import torch
from diffusers import FluxTransformer2DModel


class Fragile(FluxTransformer2DModel):
    """Runs out of memory for more than one picture, and kills its process the first time it draws a third one.

    Attributes:
        flag: a file that appears before the kill, so that there is only one.
    """

    flag: Path
    drawn = 0

    def forward(self, hidden_states: torch.Tensor, **more: object) -> object:
        if len(hidden_states) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nmore lines")
        self.drawn += 1
        if self.drawn == 3 and not self.flag.exists():
            self.flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(hidden_states, **more)

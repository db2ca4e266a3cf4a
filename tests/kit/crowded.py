"""A serving whose model does not fit on its card, where the CPU plays both the card and the main memory."""

from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from transformers import T5EncoderModel

from dataflow.models.checkpoint import read_checkpoint
from dataflow.serving.backends import backend_of
from dataflow.serving.local.pictures.denoiser import Denoiser
from dataflow.serving.local.pictures.gpu_turns import take_turns
from dataflow.serving.local.pictures.model import LocalModel
from dataflow.serving.local.pictures.presets import Speedups
from dataflow.serving.local.pictures.prompts import Prompts
from dataflow.serving.local.pictures.serving import LocalServing


class CountingT5(T5EncoderModel):
    """A T5 encoder that keeps the number of prompts of each call.

    Attributes:
        calls: prompts of each.
        refused: a word it cannot take, by its number.
        room: prompts after which memory runs out.
    """

    calls: list[int]
    refused = -1
    room = 1000

    def forward(self, input_ids: torch.Tensor, **more: Any) -> Any:
        if bool((input_ids == self.refused).any()):
            raise IndexError("index out of range in self")
        if len(self.calls) == self.room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.calls.append(len(input_ids))
        return super().forward(input_ids, **more)


def counting(folder: Path) -> CountingT5:
    encoder = CountingT5.from_pretrained(folder / "text_encoder_2")
    encoder.calls = []
    return encoder


class Crowded(LocalServing):
    """A serving whose text encoders and denoiser are on the card in turn."""

    def _load(self) -> LocalModel:
        checkpoint = read_checkpoint(Path(self.settings.model))
        backend = backend_of(checkpoint)
        parts = {**backend.components(checkpoint), **self.settings.pipe_kwargs}
        pipeline = DiffusionPipeline.from_pretrained(checkpoint.folder, **parts)
        pipeline.set_progress_bar_config(disable=True)
        take_turns(pipeline, "cpu", beside=False)
        denoiser = Denoiser(pipeline, pads_text=backend.pads_text)
        if self.settings.preset == "turbo" and (cache := self._speedups.cache) is not None:
            denoiser.cache_steps(cache)
        denoiser.apply_lossless(Speedups())
        prompts = Prompts(pipeline, backend.encoded, ahead=True)
        prompts.take_over()
        return LocalModel(pipeline, denoiser, backend, self.settings, self._at_once, prompts)

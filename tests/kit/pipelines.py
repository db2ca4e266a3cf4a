"""Tiny pipelines and servings that draw on the CPU, and what they drew and said."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from dataflow.core.records import Answer
from dataflow.io.image import ImageIO
from dataflow.serving.local.pictures.serving import LocalServing
from dataflow.serving.local.pictures.settings import LocalSettings


def loaded(folder: Path, **parts: Any) -> Any:
    """The pipeline of diffusers that `from_pretrained` loads from a folder."""
    pipeline = DiffusionPipeline.from_pretrained(folder, **parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def drawn(pipeline: Any, *, steps: int = 2, width: int = 64) -> numpy.ndarray:
    """A pipeline's picture of a cat: 64 x width x 3, from 0 to 1, always from the same noise."""
    noise = torch.Generator().manual_seed(1)
    arguments: dict[str, Any] = {"height": 64, "width": width, "num_inference_steps": steps, "output_type": "np"}
    made: numpy.ndarray = pipeline("a cat", generator=noise, **arguments).images[0]
    return made


def serving(folder: Path, out: Path, kind: type[LocalServing] = LocalServing, **settings: Any) -> LocalServing:
    """A serving of one CPU that draws 64 x 64 pixels in two steps, unless `settings` say otherwise."""
    changed = {"steps": 2, "size": (64, 64), "device": ("cpu",), **settings}
    return kind(LocalSettings(str(folder), ImageIO(str(out)), **changed))


def pixels(answer: Answer) -> numpy.ndarray:
    """The levels of an answer's picture: height x width x 3, 0 to 255."""
    assert answer.error is None, answer.error
    return numpy.asarray(Image.open(answer.pictures[0].path)).astype(int)


def digests(answers: list[Answer]) -> list[str]:
    """The sha256 of each answer's first picture."""
    return [answer.pictures[0].sha256 for answer in answers]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The messages of a log that are warnings or worse."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def package(place: Path, name: str, code: str, patch: pytest.MonkeyPatch) -> None:
    """Make a library of this name, with this code, that is imported instead of any other."""
    (place / name).mkdir(parents=True)
    (place / name / "__init__.py").write_text(code)
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        patch.delitem(sys.modules, module)
    patch.syspath_prepend(place)


@pytest.fixture
def torchao_on_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let torchao quantise on a CPU: its matrix products run there, and only its check of the hardware forbids it."""
    from torch import _inductor
    from torchao.quantization import quant_api

    monkeypatch.setattr(quant_api, "_check_hardware_support", lambda granularity: None)
    before = _inductor.config.save_config()
    yield
    _inductor.config.load_config(before)

"""Qwen-Image-2.1: its pictures are references, and each prompt is drawn by itself."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.records import Request
from dataflow.serving.backends import Plan
from dataflow.serving.backends.qwen_image_edit import qwen_size
from tests.kit.families import family
from tests.kit.flow import draw
from tests.kit.pipelines import pixels, serving
from tests.kit.tiny import running

Checkpoints = Callable[[str], Path]


SMALL = {"output_resolution": 64}  # Qwen-Image-2.1 would bring its inputs to a megapixel


def test_qwen_image_21_sees_each_picture_by_itself_and_follows_the_first(
    checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import QwenImage21Pipeline

    given: list[dict[str, Any]] = []
    own = QwenImage21Pipeline.__call__

    def watching(self: Any, **arguments: Any) -> Any:
        given.append(arguments)
        return own(self, **arguments)

    watching.__signature__ = inspect.signature(own)  # type: ignore[attr-defined]
    monkeypatch.setattr(QwenImage21Pipeline, "__call__", watching)
    red, blue = (str(draw(tmp_path / f"{colour}.png", colour, (96, 64))) for colour in ("red", "blue"))
    model = serving(checkpoint("qwen_image_21"), tmp_path / "out", task="imageedit", call_kwargs=SMALL)
    with running(model) as ask:
        made = [pixels(answer) for answer in ask(*(Request("a", each, seed=7) for each in ((red, blue), (blue, red))))]
    assert [[image.getpixel((0, 0)) for image in each["image"]] for each in given] == [
        [(255, 0, 0), (0, 0, 255)],
        [(0, 0, 255), (255, 0, 0)],
    ]
    assert abs(made[0] - made[1]).max() > 5
    assert made[0].shape == (64, 64, 3)


def test_qwen_image_21_draws_each_prompt_by_itself(checkpoint: Checkpoints, tmp_path: Path) -> None:
    prompts = [Request(words, seed=7) for words in ("a fox", "a house in the rain, at night")]
    with running(serving(checkpoint("qwen_image_21"), tmp_path / "out", batch_size=4)) as ask:
        together = [pixels(answer) for answer in ask(*prompts)]
        alone = [pixels(ask(each)[0]) for each in prompts]
    assert [abs(one - other).max() for one, other in zip(together, alone, strict=True)] == [0, 0]


def test_a_size_that_is_asked_for_is_rounded_to_a_grid_of_32_pixels() -> None:
    backend = family("QwenImage21Pipeline")
    assert backend.plan((1008, 1040), []) == Plan((1024, 1056))
    assert backend.plan(None, [(640, 480), (64, 64)]).size == qwen_size((640, 480))

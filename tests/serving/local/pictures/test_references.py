"""Several pictures of a row at models that take them one by one, and masks at pipelines outside our families."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.records import Request
from dataflow.io.masks import read_mask
from tests.kit.flow import draw
from tests.kit.masks import write_pair
from tests.kit.tiny import running
from tests.serving.local.pictures.test_serving import pixels, serving

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


def test_any_pipeline_with_a_place_for_a_mask_gets_it_pixel_for_pixel(
    checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers.image_processor import VaeImageProcessor

    seen: list[bytes] = []
    own = VaeImageProcessor.preprocess

    def watching(self: Any, image: Any, *args: Any, **kwargs: Any) -> Any:
        if self.config.do_binarize:
            seen.append(image.tobytes())
        return own(self, image, *args, **kwargs)

    monkeypatch.setattr(VaeImageProcessor, "preprocess", watching)
    row = write_pair(tmp_path, size=(64, 64))
    request = Request("a fox", tuple(row["images"]), seed=7, mask=row["mask"])
    with running(serving(checkpoint("flux_inpaint"), tmp_path / "out", task="imageedit", size=None)) as ask:
        assert pixels(ask(request)[0]).shape == (64, 64, 3)
    assert seen == [read_mask(row["mask"]).tobytes()]

"""Masks of rows at local models: which families take them, what reaches the pipeline, what stays."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dataflow.core.records import Request
from dataflow.errors import ConfigError
from dataflow.io.masks import read_mask
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.utils.storage import FileStorage
from tests.kit.flow import draw, write_rows
from tests.kit.masks import write_pair
from tests.kit.pipelines import pixels, serving
from tests.kit.tiny import EDITING, running, small_references

Checkpoints = Callable[[str], Path]
# Qwen's pipeline takes a megapixel, whatever is asked; `small_references` has it draw 64 x 64 of it.
SIDES = {"flux_kontext": 64, "flux2_klein": 64, "flux2_klein_base": 64, "qwen_image_edit": 1024}
MASKLESS = [family for family in EDITING if family not in SIDES]


@dataclass
class Seen:
    """What diffusers was given: masks as pictures, and the latents that became pictures."""

    masks: list[Image.Image] = field(default_factory=list)
    latents: list[Any] = field(default_factory=list)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    import diffusers
    from diffusers.image_processor import VaeImageProcessor

    small_references(monkeypatch)
    seen = Seen()

    def watch(kind: Any, name: str, note: Callable[..., None]) -> None:
        own = getattr(kind, name)

        def watching(self: Any, given: Any, *args: Any, **kwargs: Any) -> Any:
            note(self, given)
            return own(self, given, *args, **kwargs)

        monkeypatch.setattr(kind, name, watching)

    def note_mask(processor: Any, image: Any) -> None:
        if processor.config.do_binarize:
            seen.masks += image

    watch(VaeImageProcessor, "preprocess", note_mask)
    for vae in ("AutoencoderKL", "AutoencoderKLFlux2", "AutoencoderKLQwenImage"):
        watch(getattr(diffusers, vae), "decode", lambda _, latents: seen.latents.append(latents.clone()))
    return seen


def asked(folder: Path, side: int, prompt: str = "paint it") -> Request:
    row = write_pair(folder, f"{side}", (side, side))
    return Request(prompt, tuple(row["images"]), seed=7, mask=row["mask"])


@pytest.mark.parametrize("family", SIDES)
def test_a_mask_reaches_the_pipeline_pixel_for_pixel_and_what_is_black_stays(
    family: str, checkpoint: Checkpoints, tmp_path: Path, seen: Seen
) -> None:
    requests = [asked(tmp_path, SIDES[family], prompt) for prompt in ("a fox", "a house in the rain")]
    with running(serving(checkpoint(family), tmp_path / "out", task="imageedit")) as ask:
        made = [pixels(ask(request)[0]) for request in requests]
    assert [picture.shape for picture in made] == [(64, 64, 3)] * 2
    assert requests[0].mask is not None
    assert [mask.tobytes() for mask in seen.masks] == [read_mask(requests[0].mask).tobytes()] * 2
    one, other = seen.latents
    differs = (one != other).flatten(0, -2).any(0)  # by column; the left half of the mask is white
    half = len(differs) // 2
    assert (bool(differs[:half].all()), bool(differs[half:].any())) == (True, False)


@pytest.mark.parametrize("family", ["flux_kontext", "qwen_image_edit"])
def test_rows_with_and_without_a_mask_in_one_batch_get_the_picture_they_get_alone(
    family: str, checkpoint: Checkpoints, tmp_path: Path, seen: Seen
) -> None:
    masked, other = (asked(tmp_path / name, SIDES[family], name) for name in ("a fox", "a house"))
    whole = Request("a fox", masked.images, seed=7)
    with running(serving(checkpoint(family), tmp_path / "out", task="imageedit", batch_size=4)) as ask:
        together = [pixels(answer) for answer in ask(masked, whole, other)]
        assert len(seen.latents) == 2
        alone = [pixels(ask(request)[0]) for request in (masked, whole, other)]
    for one, again in zip(together, alone, strict=True):
        assert abs(one - again).max() <= 1
    assert abs(alone[0] - alone[1]).max() > 5


@pytest.mark.parametrize("family", ["flux_kontext", "flux2_klein"])
def test_a_second_picture_is_a_reference_and_a_third_is_too_many(
    family: str, checkpoint: Checkpoints, tmp_path: Path, seen: Seen
) -> None:
    request = asked(tmp_path, 64)
    red, blue = (str(draw(tmp_path / f"{colour}.png", colour, (64, 48))) for colour in ("red", "blue"))
    several = [Request("a fox", (*request.images, *more), seed=7, mask=request.mask) for more in ((red,), (blue,))]
    several.append(Request("a fox", (*request.images, red, blue), mask=request.mask))
    with running(serving(checkpoint(family), tmp_path / "out", task="imageedit")) as ask:
        first, second, third = ask(*several)
    assert abs(pixels(first) - pixels(second)).max() > 0
    assert third.error is not None
    assert "takes 2 pictures where there is a mask, and this row has 3" in third.error.reason


def test_strength_is_for_rows_with_a_mask(checkpoint: Checkpoints, tmp_path: Path, seen: Seen) -> None:
    masked = asked(tmp_path, 64)
    whole = Request("paint it", masked.images, seed=7)
    made = []
    for strength in ({}, {"strength": 0.5}):
        settings = serving(
            checkpoint("flux_kontext"), tmp_path / f"out{strength}", task="imageedit", call_kwargs=strength
        )
        with running(settings) as ask:
            made.append([pixels(answer) for answer in ask(masked, whole)])
    assert abs(made[0][0] - made[1][0]).max() > 0
    assert abs(made[0][1] - made[1][1]).max() == 0


def run(folder: Path, model: Path, **settings: Any) -> None:
    editor = PromptedImageEditGenerator(serving(model, folder / "out", task="imageedit", **settings))
    rows = write_rows(folder / "rows.jsonl", [{**write_pair(folder), "mask": None}, write_pair(folder, "b")])
    editor.run(FileStorage(str(rows), cache_path=str(folder / "cache")).step(), input_mask_key="mask")


@pytest.mark.parametrize("family", MASKLESS)
def test_a_family_that_takes_no_mask_is_named_before_its_weights_are_loaded(
    family: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="draws within no mask: FLUX-Kontext, "):
        run(tmp_path, checkpoint(family))
    assert not (tmp_path / "out").exists()


def test_a_step_cache_and_masks_do_not_go_together(checkpoint: Checkpoints, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"preset='turbo' skips steps .* choose preset='fast'"):
        run(tmp_path, checkpoint("flux_kontext"), preset="turbo")


def test_a_mask_of_another_size_fails_its_row_alone(checkpoint: Checkpoints, tmp_path: Path, seen: Seen) -> None:
    good = asked(tmp_path, 64)
    bad = Request("paint it", good.images, mask=str(draw(tmp_path / "small.png", "white", (8, 8))))
    with running(serving(checkpoint("flux_kontext"), tmp_path / "out", task="imageedit")) as ask:
        first, second = ask(bad, good)
    assert first.error is not None
    assert "small.png is 8 x 8, but its picture" in first.error.reason
    assert second.error is None


def test_a_mask_too_thin_for_the_models_size_fails_its_row_before_it_is_drawn(
    checkpoint: Checkpoints, tmp_path: Path, seen: Seen
) -> None:
    line = Image.new("L", (512, 512))
    line.paste(255, (0, 256, 512, 257))
    line.save(tmp_path / "line.png")
    picture = str(draw(tmp_path / "large.png", "red", (512, 512)))
    thin = Request("paint it", (picture,), size=(64, 64), mask=str(tmp_path / "line.png"))
    with running(serving(checkpoint("flux_kontext"), tmp_path / "out", task="imageedit")) as ask:
        (answer,) = ask(thin)
    assert answer.error is not None
    assert "line.png nothing is left at 64 x 64: make it thicker" in answer.error.reason
    assert seen.masks == []

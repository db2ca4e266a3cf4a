"""What the signature of a pipeline outside our families says of pictures and masks; none is loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dataflow.core.records import Request
from dataflow.io.masks import read_mask
from dataflow.serving.backends import Plan, Sample
from tests.kit.families import family
from tests.kit.masks import write_pair
from tests.kit.pipelines import pixels, serving
from tests.kit.tiny import running

Checkpoints = Callable[[str], Path]
# As their code has it: what a list of pictures is there, read in diffusers 0.42.1.
REFERENCES = (
    "BriaFibo2Pipeline",
    "BriaFiboEditPipeline",
    "GlmImagePipeline",
    "JoyImageEditPlusPipeline",
    "ZImageOmniPipeline",
)
BATCHES = ("ChromaImg2ImgPipeline", "FluxImg2ImgPipeline", "JoyImageEditPipeline", "Kandinsky5I2IPipeline")
ONE = ("DreamLitePipeline", "LongCatImageEditPipeline")
MASKED = {
    "BriaFibo2Pipeline": "mask",
    "FluxFillPipeline": "mask_image",
    "FluxInpaintPipeline": "mask_image",
    "QwenImageInpaintPipeline": "mask_image",
    "StableDiffusionXLInpaintPipeline": "mask_image",
    "ZImageInpaintPipeline": "mask_image",
}
RED, BLUE = Image.new("RGB", (640, 480), "red"), Image.new("RGB", (64, 64), "blue")


def sample(plan: Plan, *images: Image.Image, **fields: Any) -> Sample:
    return Sample(plan, "a fox", images, seed=1, **fields)


def test_an_unknown_pipeline_runs_one_sample_at_a_time() -> None:
    backend = family("StableDiffusionImg2ImgPipeline")
    assert not backend.shares_call(Plan(None))
    assert "imageedit" in backend.tasks
    assert family("StableDiffusionPipeline").tasks == {"text2image"}


@pytest.mark.parametrize("pipeline", ["DDPMPipeline", "StableVideoDiffusionPipeline", "WanPipeline"])
def test_a_pipeline_that_hears_no_prompt_or_makes_films_does_neither_task(pipeline: str) -> None:
    assert not family(pipeline).tasks


@pytest.mark.parametrize("pipeline", REFERENCES)
def test_pictures_stay_references_where_a_list_is_of_one_sample(pipeline: str) -> None:
    backend = family(pipeline)
    plan = backend.plan(None, [RED.size, BLUE.size])
    assert plan.inputs == (RED.size, BLUE.size)
    assert plan.size == RED.size
    (pictures,) = backend.arguments([sample(plan, RED, BLUE)]).values()
    assert pictures == [RED, BLUE]
    assert list(backend.arguments([sample(plan, RED)]).values()) == [[RED]]


@pytest.mark.parametrize("pipeline", BATCHES + ONE)
def test_pictures_are_stitched_where_a_list_is_a_batch_or_none_is_taken(pipeline: str) -> None:
    backend = family(pipeline)
    assert "imageedit" in backend.tasks
    assert len(backend.plan(None, [RED.size, BLUE.size]).inputs) == 1
    assert backend.arguments([sample(backend.plan(None, [RED.size]), RED)]) == {"image": RED}


@pytest.mark.parametrize("pipeline", MASKED)
def test_a_mask_goes_where_the_signature_has_a_place_for_it(pipeline: str) -> None:
    backend = family(pipeline)
    plan = backend.plan_masked(None, [(650, 480)])
    mask = Image.new("L", (656, 480))
    assert (backend.inpaint, plan.inputs, plan.masked) == (pipeline, ((656, 480),), True)
    assert backend.arguments_masked([sample(plan, RED, mask=mask)])[MASKED[pipeline]] is mask


@pytest.mark.parametrize("pipeline", ["LongCatImageEditPipeline", "GlmImagePipeline", "Krea2Pipeline"])
def test_others_take_no_mask(pipeline: str) -> None:
    assert family(pipeline).inpaint == ""


@pytest.mark.parametrize("pipeline", ["OmniGenPipeline", "Krea2Pipeline"])
def test_what_takes_no_picture_by_a_known_name_does_not_edit(pipeline: str) -> None:
    assert family(pipeline).tasks == {"text2image"}


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

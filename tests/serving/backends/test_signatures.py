"""What the signature of a pipeline outside our families says of pictures and masks; none is loaded."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, Sample, backend_of

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


def family(pipeline: str) -> Backend:
    return backend_of(Checkpoint(Path("/nowhere"), {"_class_name": pipeline}))


def sample(plan: Plan, *images: Image.Image, **fields: Any) -> Sample:
    return Sample(plan, "a fox", images, seed=1, **fields)


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

"""Qwen-Image-Edit-Plus: every picture of a row is a reference of its own."""

from PIL import Image

from dataflow.serving.backends import Sample
from dataflow.serving.backends.qwen_image_edit import qwen_size
from tests.kit.families import family


def test_each_picture_keeps_its_own_aspect_and_the_result_has_the_first_ones() -> None:
    plan = family("QwenImageEditPlusPipeline").plan(None, [(640, 360), (300, 400)])
    assert plan.inputs == (qwen_size((640, 360)), qwen_size((300, 400)))
    assert plan.size == plan.inputs[0]


def test_one_call_has_all_pictures_of_its_sample_and_one_negative_prompt() -> None:
    backend = family("QwenImageEditPlusPipeline")
    plan = backend.plan((64, 64), [(64, 64), (64, 64)])
    pictures = (Image.new("RGB", (64, 64), "red"), Image.new("RGB", (64, 64), "blue"))
    made = backend.arguments([Sample(plan, "join them", pictures, seed=1)])
    assert made == {"image": [*pictures], "negative_prompt": " "}
    assert not backend.shares_call(plan)

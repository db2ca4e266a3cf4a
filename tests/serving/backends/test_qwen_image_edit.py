"""The sizes at which Qwen-Image-Edit gets its pictures."""

import pytest

from dataflow.serving.backends.qwen_image_edit import qwen_size


@pytest.mark.parametrize("width", range(64, 4000, 217))
def test_qwens_pipeline_leaves_our_input_size_as_it_is(width: int) -> None:
    from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit import calculate_dimensions

    made = qwen_size((width, 640))
    assert calculate_dimensions(1024 * 1024, made[0] / made[1])[:2] == made
    assert made[0] / made[1] == pytest.approx(width / 640, rel=0.15)

"""A FLUX-Kontext checkpoint draws from text too, exactly as diffusers' FluxPipeline draws with its weights."""

from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageChops

from dataflow.core.loop import submit
from dataflow.core.records import Job, Request
from dataflow.io import ImageIO
from dataflow.serving.local_image_gen_serving import LocalImageGenServing
from tests.kit.tiny import WAIT, flux_parts, kl_vae, saved


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from diffusers import FluxKontextPipeline

    parts = flux_parts(guidance=False) | {"vae": kl_vae(sample_size=64)}
    return saved(FluxKontextPipeline(**parts), tmp_path_factory.mktemp("kontext") / "model")


def test_a_drawing_is_the_one_flux_pipeline_makes(folder: Path, tmp_path: Path) -> None:
    import torch
    from diffusers import FluxPipeline

    job = Job("ab" * 16, Request(prompt="a red star"))
    serving = LocalImageGenServing(
        ImageIO(str(tmp_path)), hf_model_name_or_path=folder, device="cpu", diffuser_num_inference_steps=4
    )
    serving.prepare()
    serving.settle()
    submit(serving.setup()).result(WAIT)
    (answer,) = submit(serving.call([job])).result(WAIT)
    submit(serving.close()).result(WAIT)

    pipeline = FluxPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.Generator("cpu").manual_seed(job.seed)
    expected = pipeline("a red star", width=64, height=64, num_inference_steps=4, generator=noise).images[0]
    with Image.open(answer.pictures[0].path) as made:
        assert made.size == expected.size == (64, 64)
        assert numpy.asarray(ImageChops.difference(made.convert("RGB"), expected)).max() <= 1

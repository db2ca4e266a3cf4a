"""The sizes at which FLUX.1 Kontext edits."""

from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageChops

from dataflow.core.loop import submit
from dataflow.core.records import Job, Request
from dataflow.io import ImageIO
from dataflow.serving.backends import Plan
from dataflow.serving.local_image_gen_serving import LocalImageGenServing
from tests.kit.families import family, family_of_vae
from tests.kit.tiny import WAIT, flux_parts, kl_vae, saved


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from diffusers import FluxKontextPipeline

    parts = flux_parts(guidance=False) | {"vae": kl_vae(sample_size=64)}
    return saved(FluxKontextPipeline(**parts), tmp_path_factory.mktemp("kontext") / "model")


def test_kontext_takes_the_preferred_size_nearest_the_input_and_keeps_the_inputs_own_aspect() -> None:
    backend = family("FluxKontextPipeline")
    assert backend.plan(None, [(4000, 3000)]) == Plan((1184, 880), ((1184, 880),))
    assert backend.plan(None, [(640, 360)]) == Plan((1392, 752), ((1360, 768),))
    assert backend.plan(None, [(360, 640)]).size == (752, 1392)
    assert backend.plan(None, []) == Plan((1024, 1024))


def test_kontext_knows_the_preferred_sizes_of_diffusers() -> None:
    from diffusers.pipelines.flux.pipeline_flux_kontext import PREFERRED_KONTEXT_RESOLUTIONS

    from dataflow.serving.backends.flux_kontext import _PREFERRED

    assert sorted(_PREFERRED) == sorted(tuple(size) for size in PREFERRED_KONTEXT_RESOLUTIONS)


def test_several_pictures_for_a_model_of_one_are_stitched_at_full_size() -> None:
    assert family("FluxKontextPipeline").plan(None, [(1024, 1024)] * 3) == Plan((1024, 1024), ((3072, 1024),))


@pytest.mark.parametrize(
    ("picture", "plan"),
    [
        ((64, 64), Plan((64, 64), ((64, 64),))),
        ((1000, 1000), Plan((64, 64), ((64, 64),))),
        ((1280, 720), Plan((80, 48), ((80, 48),))),
        ((720, 1280), Plan((48, 80), ((48, 80),))),
    ],
)
def test_an_edit_takes_a_preferred_size_of_that_scale(tmp_path: Path, picture: tuple[int, int], plan: Plan) -> None:
    assert family_of_vae(tmp_path, "FluxKontextPipeline", sample_size=64).plan(None, [picture]) == plan


def test_several_small_pictures_stand_side_by_side_as_they_are(tmp_path: Path) -> None:
    backend = family_of_vae(tmp_path, "FluxKontextPipeline", sample_size=64)
    assert backend.plan(None, [(64, 64), (64, 64)]) == Plan((64, 64), ((128, 64),))


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

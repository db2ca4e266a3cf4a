"""What each family makes of a request's sizes; no weights are loaded."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.models.checkpoint import Checkpoint, read_checkpoint
from dataflow.serving.backends import FAMILIES, Backend, Plan, backend_of
from dataflow.serving.backends.qwen_image_edit import qwen_size


def family(pipeline: str, **index: JSON) -> Backend:
    return backend_of(Checkpoint(Path("/nowhere"), {"_class_name": pipeline, **index}))


@pytest.mark.parametrize("pipeline", FAMILIES)
def test_what_is_asked_is_what_is_made(pipeline: str) -> None:
    backend = family(pipeline)
    pictures = [(640, 360)] if "imageedit" in backend.tasks else []
    assert backend.plan((128, 96), pictures).size == (128, 96)


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


def test_several_pictures_stay_references_where_the_family_takes_them() -> None:
    for pipeline in (
        "QwenImageEditPlusPipeline",
        "QwenImage21Pipeline",
        "Flux2Pipeline",
        "Flux2KleinPipeline",
        "Flux2KleinKVPipeline",
    ):
        assert len(family(pipeline).plan(None, [(640, 480), (64, 64)]).inputs) == 2


@pytest.mark.parametrize("width", range(64, 4000, 217))
def test_qwens_pipeline_leaves_our_input_size_as_it_is(width: int) -> None:
    from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit import calculate_dimensions

    made = qwen_size((width, 640))
    assert calculate_dimensions(1024 * 1024, made[0] / made[1])[:2] == made
    assert made[0] / made[1] == pytest.approx(width / 640, rel=0.15)


@pytest.mark.parametrize("picture", [(640, 480), (4000, 3000), (20, 20), (5000, 100), (1024, 1025)])
def test_flux2_is_given_what_its_pipeline_accepts(picture: tuple[int, int]) -> None:
    from diffusers.pipelines.flux2.image_processor import Flux2ImageProcessor
    from PIL import Image

    ((width, height),) = family("Flux2Pipeline").plan(None, [picture]).inputs
    Flux2ImageProcessor.check_image_input(Image.new("RGB", (width, height)))
    assert width * height <= 1024 * 1024
    assert width % 16 == height % 16 == 0


def test_pictures_share_a_call_only_where_the_pipeline_keeps_them_apart() -> None:
    edit = Plan((64, 64), ((64, 64),))
    sharing = {pipeline for pipeline in FAMILIES if family(pipeline).shares_call(edit)}
    assert sharing == {"FluxKontextPipeline", "QwenImageEditPipeline"}
    alone = {pipeline for pipeline in FAMILIES if not family(pipeline).shares_call(Plan((64, 64)))}
    assert alone == {"QwenImage21Pipeline"}


@pytest.mark.parametrize(
    ("pipeline", "index", "steps", "guidance"),
    [
        ("Flux2KleinPipeline", {"is_distilled": True}, 4, 1.0),
        ("Flux2KleinPipeline", {"is_distilled": False}, 50, 4.0),
        ("Flux2KleinKVPipeline", {"is_distilled": True}, 4, None),
        ("Flux2Pipeline", {}, 50, 4.0),
        ("QwenImageEditPipeline", {}, 50, 4.0),
        ("QwenImageEditPlusPipeline", {}, 40, 4.0),
        ("QwenImagePipeline", {}, 50, 4.0),
        ("FluxKontextPipeline", {}, 28, 2.5),
        ("ZImagePipeline", {}, 8, 0.0),
    ],
)
def test_defaults_follow_the_checkpoint(
    pipeline: str, index: Mapping[str, JSON], steps: int, guidance: float | None
) -> None:
    backend = family(pipeline, **index)
    assert (backend.steps, backend.guidance) == (steps, guidance)


def test_schnell_is_told_from_dev_by_its_missing_guidance(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    dev = backend_of(read_checkpoint(checkpoint("flux")))
    assert (dev.steps, dev.guidance) == (28, 3.5)
    (tmp_path / "transformer").mkdir()
    (tmp_path / "transformer" / "config.json").write_text('{"guidance_embeds": false}')
    schnell = backend_of(Checkpoint(tmp_path, {"_class_name": "FluxPipeline"}))
    assert (schnell.steps, schnell.guidance) == (4, 0.0)


def test_an_unknown_pipeline_runs_one_sample_at_a_time() -> None:
    backend = family("StableDiffusionImg2ImgPipeline")
    assert not backend.shares_call(Plan(None))
    assert "imageedit" in backend.tasks
    assert family("StableDiffusionPipeline").tasks == {"text2image"}


@pytest.mark.parametrize("pipeline", ["DDPMPipeline", "StableVideoDiffusionPipeline", "WanPipeline"])
def test_a_pipeline_that_hears_no_prompt_or_makes_films_does_neither_task(pipeline: str) -> None:
    assert not family(pipeline).tasks


def test_dev_without_torchvision_names_what_to_install(
    checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # as if it were not installed
    tiny = read_checkpoint(checkpoint("flux2"))
    assert backend_of(tiny).components(tiny) == {}
    real = Checkpoint(tiny.folder, {**tiny.index, "tokenizer": ["transformers", "PixtralProcessor"]})
    with pytest.raises(ConfigError, match=r"tokenizer is a PixtralProcessor, which needs torchvision"):
        backend_of(real).components(real)


def test_z_image_is_told_from_its_turbo_by_the_scheduler(checkpoint: Callable[[str], Path]) -> None:
    turbo, base = (backend_of(read_checkpoint(checkpoint(name))) for name in ("z_image", "z_image_base"))
    assert (turbo.steps, turbo.guidance) == (8, 0.0)
    assert (base.steps, base.guidance) == (50, 4.0)

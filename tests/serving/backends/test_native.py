"""A checkpoint of FLUX.1 says itself at which size it draws; nothing of it is special to one checkpoint."""

import json
from pathlib import Path

import pytest

from dataflow.models.checkpoint import Checkpoint
from dataflow.serving.backends import Backend, Plan, backend_of


def family(folder: Path, pipeline: str, **vae: object) -> Backend:
    (folder / "vae").mkdir()
    (folder / "vae" / "config.json").write_text(json.dumps(vae), encoding="utf-8")
    return backend_of(Checkpoint(folder, {"_class_name": pipeline}))


@pytest.mark.parametrize("pipeline", ["FluxPipeline", "FluxKontextPipeline"])
@pytest.mark.parametrize(
    ("vae", "side"), [({"sample_size": 64}, 64), ({"sample_size": 500}, 512), ({"sample_size": 32}, 1024), ({}, 1024)]
)
def test_a_drawing_takes_the_size_the_autoencoder_declares(
    tmp_path: Path, pipeline: str, vae: dict[str, object], side: int
) -> None:
    assert family(tmp_path, pipeline, **vae).plan(None, []).size == (side, side)


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
    assert family(tmp_path, "FluxKontextPipeline", sample_size=64).plan(None, [picture]) == plan


def test_several_small_pictures_stand_side_by_side_as_they_are(tmp_path: Path) -> None:
    backend = family(tmp_path, "FluxKontextPipeline", sample_size=64)
    assert backend.plan(None, [(64, 64), (64, 64)]) == Plan((64, 64), ((128, 64),))


def test_what_is_asked_goes_before_what_is_declared(tmp_path: Path) -> None:
    assert family(tmp_path, "FluxKontextPipeline", sample_size=64).plan((128, 96), [(64, 64)]).size == (128, 96)

"""A checkpoint of FLUX.1 says itself at which size it draws; nothing of it is special to one checkpoint."""

from pathlib import Path

import pytest

from dataflow.core.records import JSON
from tests.kit.families import family_of_vae


@pytest.mark.parametrize("pipeline", ["FluxPipeline", "FluxKontextPipeline"])
@pytest.mark.parametrize(
    ("vae", "side"), [({"sample_size": 64}, 64), ({"sample_size": 500}, 512), ({"sample_size": 32}, 1024), ({}, 1024)]
)
def test_a_drawing_takes_the_size_the_autoencoder_declares(
    tmp_path: Path, pipeline: str, vae: dict[str, JSON], side: int
) -> None:
    assert family_of_vae(tmp_path, pipeline, **vae).plan(None, []).size == (side, side)


def test_what_is_asked_goes_before_what_is_declared(tmp_path: Path) -> None:
    assert family_of_vae(tmp_path, "FluxKontextPipeline", sample_size=64).plan((128, 96), [(64, 64)]).size == (128, 96)

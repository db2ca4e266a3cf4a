"""The finished model loads as a pipeline of diffusers, and edits and draws."""

from typing import Any

import pytest
from diffusers import FluxKontextPipeline, FluxPipeline

from benchmarks.demo_model.flow import Mix
from benchmarks.demo_model.optimiser import Pace
from benchmarks.demo_model.train import train
from dataflow.demo.world import Scene, Shape, draw

SETTINGS: dict[str, Any] = {
    "first": Pace(steps=3, fall=0.5, muon=0.02, adam=3e-3),
    "second": Pace(steps=4, fall=0.5, muon=0.005, adam=3e-3),
    "mix": Mix(counts=(2, 4, 2), shards=2, steps_per_shard=2),
    "shard": 32,
    "measured": 10,
    "readable": 8,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole"), **SETTINGS)


def test_the_folder_loads_as_a_kontext_pipeline_and_edits_a_picture(model):
    pipeline = FluxKontextPipeline.from_pretrained(model)
    source = draw(Scene((Shape("star", "red", "large", 20, 30),), "navy"))
    size = {"height": 64, "width": 64, "max_area": 64 * 64, "_auto_resize": False}
    made = pipeline(image=source, prompt="make the red star blue", num_inference_steps=4, **size)
    assert (made.images[0].size, made.images[0].mode) == ((64, 64), "RGB")
    assert pipeline.vae.config.sample_size == 64


def test_the_folder_loads_as_a_flux_pipeline_and_draws(model):
    made = FluxPipeline.from_pretrained(model)(prompt="画星形", height=64, width=64, num_inference_steps=4)
    assert made.images[0].size == (64, 64)

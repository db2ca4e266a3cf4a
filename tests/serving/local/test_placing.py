"""Where the weights lie, decided by what is free."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import FluxPipeline

from dataflow.serving.local.placing import WAYS, WORKING_BYTES, choose, place, place_in, waiting_bytes

Checkpoints = Callable[[str], Path]
GB = 1 << 30
FLUX = {"text_encoder": GB // 4, "text_encoder_2": 10 * GB, "transformer": 24 * GB, "vae": GB // 5}


@pytest.mark.parametrize(
    ("free", "way"), [(79, "whole"), (41, "whole"), (39, "part by part"), (30, "part by part"), (24, "layer by layer")]
)
def test_the_fastest_way_that_leaves_room_to_work_is_chosen(free: int, way: str) -> None:
    assert choose(FLUX, free * GB) == way


def test_weights_on_the_card_already_take_no_more_room() -> None:
    assert choose({}, WORKING_BYTES) == "whole"


def loaded(folder: Path) -> Any:
    pipeline = FluxPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def drawn(pipeline: Any) -> numpy.ndarray:
    noise = torch.Generator().manual_seed(1)
    told: dict[str, Any] = {"height": 64, "width": 64, "num_inference_steps": 2, "output_type": "np"}
    return pipeline("a cat", generator=noise, **told).images[0]


def test_a_pipeline_on_the_cpu_is_placed_whole_and_waits_nowhere(checkpoint: Checkpoints) -> None:
    pipeline = loaded(checkpoint("flux"))
    assert place(pipeline, "cpu") == WAYS[0]
    assert set(waiting_bytes(pipeline, "cpu").values()) == {0}
    away = waiting_bytes(pipeline, "meta")
    assert set(away) == {"vae", "text_encoder", "text_encoder_2", "transformer"}
    weights = checkpoint("flux") / "transformer" / "diffusion_pytorch_model.safetensors"
    assert abs(away["transformer"] - weights.stat().st_size) < 10_000


class Cramped(FluxPipeline):
    """Its card takes only one layer at a time."""

    refused: list[str]

    def to(self, *args: Any, **kwargs: Any) -> Any:
        if args != ("cpu",):
            self.refused.append("whole")
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self

    def enable_model_cpu_offload(self, *args: Any, **kwargs: Any) -> None:
        self.refused.append("part by part")
        raise torch.OutOfMemoryError("CUDA out of memory.")


def test_what_runs_out_of_memory_is_brought_in_smaller_portions(
    checkpoint: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = loaded(checkpoint("flux"))
    expected = drawn(pipeline)
    pipeline.__class__ = Cramped
    pipeline.refused = []
    with caplog.at_level(logging.WARNING, "dataflow"):
        assert place_in(pipeline, torch.device("cpu"), WAYS[0], FLUX, 20 * GB) == WAYS[2]
    assert pipeline.refused == list(WAYS[:2])
    said = [record.getMessage() for record in caplog.records if record.name.startswith("dataflow")]
    assert [way in one for way, one in zip(WAYS[1:], said, strict=True)] == [True, True]
    assert "37.0 GB" in said[0]
    assert numpy.array_equal(drawn(pipeline), expected)

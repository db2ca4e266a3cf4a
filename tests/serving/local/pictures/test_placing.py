"""Where the weights lie, decided by what is free."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import AutoencoderKL, FluxPipeline

from dataflow.serving.local.pictures.gpu_turns import can_take_turns
from dataflow.serving.local.pictures.placing import WAYS, WORKING_BYTES, bytes_elsewhere, choose, place, place_in
from tests.kit.pipelines import drawn, loaded

Checkpoints = Callable[[str], Path]
GB = 1 << 30
FLUX = {"text_encoder": GB // 4, "text_encoder_2": 10 * GB, "transformer": 24 * GB, "vae": GB // 5}


@pytest.mark.parametrize(
    ("free", "way"), [(79, "whole"), (41, "whole"), (39, "in turns"), (30, "in turns"), (24, "layer by layer")]
)
def test_the_fastest_way_that_leaves_room_to_work_is_chosen(free: int, way: str) -> None:
    assert choose(FLUX, free * GB) == way


@pytest.mark.parametrize(
    ("stuck", "free", "way"),
    [
        ("transformer", 39, "in turns"),  # the encoders fit beside it
        ("transformer", 35, "part by part"),
        ("text_encoder_2", 39, "part by part"),
        ("vae", 30, "in turns"),
    ],
)
def test_what_cannot_leave_the_card_takes_no_turns(stuck: str, free: int, way: str) -> None:
    assert choose(FLUX, free * GB, [stuck]) == way


@pytest.mark.parametrize(("free", "way"), [(11, "part by part"), (4, "layer by layer")])
def test_what_lies_on_the_card_leaves_it_part_by_part(free: int, way: str) -> None:
    in_fewer_bits = {**FLUX, "transformer": 0}
    assert choose(in_fewer_bits, free * GB, ["transformer"], here=12 * GB) == way


def test_a_pipeline_without_text_encoders_comes_part_by_part() -> None:
    assert choose({"prior": 20 * GB, "decoder": 20 * GB}, 30 * GB) == "part by part"


def test_encoders_larger_than_the_denoiser_need_room_of_their_own() -> None:
    large = {"text_encoder": 60 * GB, "transformer": 20 * GB, "vae": GB}
    assert choose(large, 79 * GB) == "in turns"
    assert choose(large, 62 * GB) == "layer by layer"


def test_weights_on_the_card_already_take_no_more_room() -> None:
    assert choose({}, WORKING_BYTES) == "whole"


def test_a_pipeline_on_the_cpu_is_placed_whole_and_waits_nowhere(checkpoint: Checkpoints) -> None:
    pipeline = loaded(checkpoint("flux"))
    assert place(pipeline, "cpu") == "whole"
    assert set(bytes_elsewhere(pipeline, "cpu").values()) == {0}
    away = bytes_elsewhere(pipeline, "meta")
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


class CrampedVae(AutoencoderKL):
    """Does not fit on the card the first time."""

    refused: list[str]

    def to(self, *args: Any, **kwargs: Any) -> Any:
        if "in turns" not in self.refused:
            self.refused.append("in turns")
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().to(*args, **kwargs)


def test_what_runs_out_of_memory_is_brought_in_smaller_portions(
    checkpoint: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = loaded(checkpoint("flux"))
    expected = drawn(pipeline)
    pipeline.__class__ = Cramped
    pipeline.refused = []
    pipeline.vae.__class__ = CrampedVae
    object.__setattr__(pipeline.vae, "refused", pipeline.refused)
    with caplog.at_level(logging.WARNING, "dataflow"):
        assert place_in(pipeline, torch.device("cpu"), WAYS[0], FLUX, 20 * GB) == WAYS[3]
    assert pipeline.refused == list(WAYS[:3])
    said = [record.getMessage() for record in caplog.records if record.name.startswith("dataflow")]
    assert [way in one for way, one in zip(WAYS[1:], said, strict=True)] == [True] * 3
    assert "37.0 GB" in said[0]
    assert numpy.array_equal(drawn(pipeline), expected)


def test_encoders_that_are_no_plain_tensors_take_no_turns(checkpoint: Checkpoints) -> None:
    class Packed(torch.Tensor):
        pass

    pipeline = loaded(checkpoint("flux"))
    assert can_take_turns(pipeline)
    shared = pipeline.text_encoder_2.shared
    shared.weight = torch.nn.Parameter(shared.weight.data.as_subclass(Packed), requires_grad=False)
    assert not can_take_turns(pipeline)

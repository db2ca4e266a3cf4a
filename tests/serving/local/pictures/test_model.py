"""A loaded pipeline: its batches when memory runs short, and the arguments of its calls."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import FluxTransformer2DModel

from dataflow.core.records import Request
from dataflow.errors import ConfigError
from tests.kit.pipelines import serving
from tests.kit.tiny import running

Checkpoints = Callable[[str], Path]


class CrampedTransformer(FluxTransformer2DModel):
    """Runs out of memory above a number of pictures, as a small card does."""

    room = 1

    def forward(self, hidden_states: torch.Tensor, **more: object) -> object:
        self.sizes.append(len(hidden_states))
        if len(hidden_states) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nmore lines")
        return super().forward(hidden_states, **more)


def cramped(folder: Path, room: int) -> CrampedTransformer:
    transformer = CrampedTransformer.from_pretrained(folder / "transformer")
    transformer.room, transformer.sizes = room, []
    return transformer


def test_a_batch_that_does_not_fit_is_halved_once_and_for_all(
    checkpoint: Checkpoints, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    transformer = cramped(checkpoint("flux"), room=2)
    asked = [Request(prompt, seed=number) for number, prompt in enumerate(["a", "b", "c", "d"])]
    with running(serving(checkpoint("flux"), tmp_path / "a", pipe_kwargs={"transformer": transformer}, steps=1)) as ask:
        with caplog.at_level(logging.WARNING):
            answers = ask(*asked)
        ask(*asked)
    with running(serving(checkpoint("flux"), tmp_path / "b", steps=1)) as ask:
        whole = ask(*asked)
    assert transformer.sizes == [4, 2, 2, 2, 2]
    assert [record.message for record in caplog.records if record.name.startswith("dataflow")] == [
        "out of memory for 4 pictures of 64 x 64: from now on 2 at a time"
    ]
    assert [answer.pictures[0].width for answer in answers] == [64] * 4
    assert len({answer.pictures[0].sha256 for answer in answers}) == len(whole) == 4


def test_a_single_picture_that_does_not_fit_is_that_rows_failure(checkpoint: Checkpoints, tmp_path: Path) -> None:
    transformer = cramped(checkpoint("flux"), room=0)
    with running(serving(checkpoint("flux"), tmp_path, pipe_kwargs={"transformer": transformer}, steps=1)) as ask:
        answers = ask(Request("a"), Request("b"))
    assert [answer.error.kind for answer in answers] == ["retry"] * 2
    assert "64 x 64" in str(answers[0].error)
    assert "quantization_config" in str(answers[0].error)


def test_arguments_that_the_pipeline_does_not_take_are_named(checkpoint: Checkpoints, tmp_path: Path) -> None:
    made = serving(checkpoint("flux"), tmp_path, call_kwargs={"stremgth": 1.0})
    with pytest.raises(ConfigError, match=r"FluxPipeline takes no stremgth.*It takes prompt"), running(made):
        pass


@pytest.mark.parametrize("family", ["qwen_image", "z_image"])
def test_a_negative_prompt_of_the_users_holds_for_every_row_of_a_batch(
    family: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    asked = [Request("a cat", seed=1), Request("two dogs", seed=2)]
    digests = []
    for call in ({}, {"negative_prompt": "blurred"}):
        made = serving(checkpoint(family), tmp_path / "out", call_kwargs=call, guidance=4.0, steps=2)
        with running(made) as ask:
            digests.append({answer.pictures[0].sha256 for answer in ask(*asked)})
    assert len(digests[0] | digests[1]) == 4

"""Prompts that a pipeline truncates are marked, and logged."""

from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import ByT5Tokenizer

from dataflow.core.records import Request
from dataflow.serving.base import TRUNCATED
from dataflow.serving.local.pictures.truncation import Truncation
from tests.kit.pipelines import loaded, said, serving
from tests.kit.tiny import running

Checkpoints = Callable[[str], Path]
LONG = "Keep the woman, her dress and the street as they are, and " * 12 + "paint the sky red."  # 714 tokens
MIDDLE = LONG[:200]  # more than CLIP's 77 tokens, and fewer than 512


@pytest.mark.parametrize("family", ["z_image", "flux2_klein", "qwen_image", "flux_kontext"])
def test_a_prompt_that_is_cut_off_is_marked_beside_one_that_is_not(
    family: str, checkpoint: Checkpoints, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running(serving(checkpoint(family), tmp_path, steps=1, batch_size=4)) as ask:
        answers = ask(Request(LONG), Request("a cat"), Request(MIDDLE), Request("  " + LONG.upper(), seed=2))
        again = ask(Request(LONG, seed=3))
    assert [answer.error for answer in answers] == [None] * 4
    assert [answer.usage.get(TRUNCATED) for answer in (*answers, *again)] == [1.0, None, None, 1.0, 1.0]
    assert [line[:19] for line in said(caplog) if "`truncated`" in line] == ["1 prompt so far is "]


def test_a_longer_length_that_the_user_asks_for_holds(checkpoint: Checkpoints, tmp_path: Path) -> None:
    for length, mark in ((1024, None), (64, 1.0)):
        made = serving(checkpoint("z_image"), tmp_path, steps=1, call_kwargs={"max_sequence_length": length})
        with running(made) as ask:
            assert ask(Request(LONG))[0].usage.get(TRUNCATED) == mark


def test_tokenizers_are_given_back_as_they_were(checkpoint: Checkpoints, tmp_path: Path) -> None:
    parts = loaded(checkpoint("flux"))
    tokenizer, kind = parts.tokenizer_2, type(parts.tokenizer_2)
    with running(serving(checkpoint("flux"), tmp_path, steps=1, pipe_kwargs={"tokenizer_2": tokenizer})) as ask:
        assert type(tokenizer) is not kind
        assert TRUNCATED in ask(Request(LONG))[0].usage
    assert type(tokenizer) is kind


def test_a_tokenizer_written_in_python_is_observed_too(checkpoint: Checkpoints) -> None:
    pipeline = loaded(checkpoint("flux"))
    pipeline.tokenizer_2 = ByT5Tokenizer(extra_ids=0)  # as in HunyuanImage
    truncation = Truncation(pipeline)
    truncation.observe()
    prompts = [LONG, "a cat", MIDDLE]
    pipeline.encode_prompt(prompts, None, "cpu", max_sequence_length=512)
    pipeline.encode_prompt(LONG.upper(), None, "cpu", max_sequence_length=512)
    assert [truncation.includes(prompt) for prompt in [*prompts, LONG.upper()]] == [True, False, False, True]
    truncation.free()
    assert type(pipeline.tokenizer_2) is ByT5Tokenizer

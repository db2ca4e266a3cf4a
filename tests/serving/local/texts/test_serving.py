"""What a local language model answers to requests, and what it refuses."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.core.records import Request, Turn
from tests.kit.llm import ASKED, serving, texts
from tests.kit.tiny import running
from tests.kit.tiny_text import SPECIAL, changed, word_tokenizer

Checkpoints = Callable[[str], Path]


def test_an_answer_that_is_cut_off_says_so_and_one_that_ended_does_not(
    text_checkpoint: Checkpoints, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running(serving(text_checkpoint("llama"))) as ask, caplog.at_level(logging.WARNING):
        (cut, _) = ask(*ASKED[:2])
    assert cut.usage["truncated"] == 1.0
    assert cut.usage["completion_tokens"] == 12.0
    assert cut.usage["total_tokens"] == cut.usage["prompt_tokens"] + 12.0
    assert len([each for each in caplog.records if "max_new_tokens=12" in each.message]) == 1
    ends = {SPECIAL.index("<|im_end|>"), *range(len(SPECIAL), len(word_tokenizer()), 3)}
    folder = changed(text_checkpoint("llama"), tmp_path / "m", "generation_config.json", eos_token_id=sorted(ends))
    with running(serving(folder)) as ask:
        ended = next(each for each in ask(*ASKED) if each.error is None and "truncated" not in each.usage)
    assert ended.usage["completion_tokens"] == len(ended.text.split()) + 1 < 12


def test_an_empty_answer_is_refused(text_checkpoint: Checkpoints, tmp_path: Path) -> None:
    every = list(range(len(word_tokenizer())))
    folder = changed(text_checkpoint("llama"), tmp_path / "m", "generation_config.json", eos_token_id=every)
    with running(serving(folder)) as ask:
        (answer,) = ask(ASKED[0])
    assert answer.error.kind == "refused"
    assert "said nothing" in answer.error.reason


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request("a cat"), "no pictures"),
        (Request("a cat", ("/a.png",), makes="text"), "LocalVLMServing"),
        (Request("a cat", (), "text", (Turn("user", "see", ("/a.png",)),)), "LocalVLMServing"),
        (Request("a cat", makes="text", size=(64, 64)), "size"),
    ],
)
def test_what_this_serving_cannot_do_stops_the_run(request_: Request, said: str, text_checkpoint: Checkpoints) -> None:
    with running(serving(text_checkpoint("llama"))) as ask:
        (answer,) = ask(request_)
    assert answer.error.kind == "fatal"
    assert said in answer.error.reason


def test_what_a_model_thinks_before_it_answers_is_not_its_answer(text_checkpoint: Checkpoints, tmp_path: Path) -> None:
    asked = Request("a cat", makes="text")
    with running(serving(text_checkpoint("llama"))) as ask:
        (said,) = texts(ask(asked))
    first, *_ = words = said.split()
    later = next(word for word in words if word != first)
    for marks, answer in (
        ({first: "<think>", later: "</think>"}, said.partition(later)[2].strip()),
        ({first: "<think>"}, ""),
    ):
        folder = Path(shutil.copytree(text_checkpoint("llama"), tmp_path / str(len(marks))))
        tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        numbers = tokenizer["model"]["vocab"]
        tokenizer["model"]["vocab"] = {marks.get(word, word): number for word, number in numbers.items()}
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
        with running(serving(folder)) as ask:
            (got,) = ask(asked)
        assert got.text == answer
        assert answer or (got.error is not None and "thought and said nothing" in got.error.reason)

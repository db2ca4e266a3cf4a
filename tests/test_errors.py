"""A failure is a value: nobody writes on it, it travels between processes, and a change of kind loses nothing."""

import dataclasses
import pickle
from pathlib import Path

import pytest

from dataflow.core.records import Answer
from dataflow.errors import AnswerError, ConfigError, DataflowError, Failure, FatalAnswer, Kind

PAID = Failure(
    "wait",
    "busy",
    said="Slow down.",
    maybe_paid=True,
    usage={"tokens": 3.0},
    attempts=2,
    retries=4,
    refuse_after=True,
    wait=7.0,
    outage=True,
    unconfirmed="page",
)


def test_nobody_writes_on_a_failure() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PAID.attempts = 3  # type: ignore[misc]


def test_only_what_may_do_better_is_transient() -> None:
    kinds: tuple[Kind, ...] = ("failed", "retry", "wait", "refused", "fatal")
    assert [Failure(kind, "why").transient for kind in kinds] == [False, True, True, False, False]


def test_a_last_word_keeps_what_happened_and_asks_for_nothing_more() -> None:
    kept = Failure("refused", "busy", said="Slow down.", maybe_paid=True, usage={"tokens": 3.0}, attempts=2)
    assert PAID.last_word("refused") == kept
    assert PAID.last_word("fatal", "busy for too long") == dataclasses.replace(
        kept, kind="fatal", reason="busy for too long"
    )


def test_an_answer_without_a_failure_goes_on_and_one_with_it_is_raised_with_its_reason() -> None:
    answer = Answer(text="yes")
    assert answer.raise_for_error() is answer
    with pytest.raises(AnswerError, match=r"^busy$") as caught:
        Answer(error=PAID).raise_for_error()
    assert caught.value.failure is PAID


def test_a_failure_and_its_exception_arrive_whole_in_another_process() -> None:
    assert pickle.loads(pickle.dumps(PAID)) == PAID
    arrived = pickle.loads(pickle.dumps(FatalAnswer(PAID)))
    assert (type(arrived), arrived.failure, str(arrived)) == (FatalAnswer, PAID, "busy")
    assert isinstance(arrived, DataflowError)


def test_a_notebook_shows_the_users_own_line_and_the_message() -> None:
    from dataflow.core.notebook import in_notebook
    from dataflow.utils.storage import FileStorage

    assert not in_notebook()
    with pytest.raises(ConfigError) as caught:
        FileStorage("rows.jsonl", limit=0)
    where, said = caught.value._render_traceback_()
    assert where.startswith(f"{__file__}, line ")
    assert where.endswith(': FileStorage("rows.jsonl", limit=0)')
    assert said == f"ConfigError: {caught.value}"
    assert ConfigError("no")._render_traceback_() == ["ConfigError: no"]


def test_a_notebook_shows_the_users_own_line_where_an_error_ends_a_with(tmp_path: Path) -> None:
    from tests.kit.flow import Ask, prompts_storage
    from tests.kit.workers import Echo

    storage = prompts_storage(tmp_path, ["a"])
    with pytest.raises(ConfigError) as caught, storage.overlapped():
        Ask(Echo()).run(storage.step(), input_key="gone", output_key="answer")
    assert caught.value._render_traceback_()[0].startswith(f"{__file__}, line ")


def test_a_kind_that_there_is_not_is_refused_where_it_is_made() -> None:
    with pytest.raises(ValueError, match=r"Failure\('transient', \.\.\.\): its kind is one of failed, retry, wait"):
        Failure("transient", "busy")  # type: ignore[arg-type]

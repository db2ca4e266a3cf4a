"""Rows that have a value in the output column: kept, counted, told, and asked only if the user says so."""

from pathlib import Path

import pytest

from dataflow.core.run_options import RunOptions
from dataflow.errors import Failure
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, column, prompts_storage, write_rows
from tests.kit.workers import Echo, Scripted


def half_done(folder: Path, **settings: object) -> FileStorage:
    rows = [{"prompt": "a", "answer": "mine"}, {"prompt": "b", "answer": []}, {"prompt": "c", "answer": [""]}]
    first = write_rows(folder / "in.jsonl", [*rows, {"prompt": "d"}, {"prompt": "e", "answer": "mine too"}])
    return FileStorage(str(first), cache_path=str(folder / "cache"), **settings)  # type: ignore[arg-type]


def test_kept_rows_are_counted_and_told_in_summary_and_progress(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = Echo()
    summary = Ask(worker).run(half_done(tmp_path).step())
    assert sorted(worker.asked) == ["b", "c", "d"]
    assert (summary.kept, summary.output, summary.requests) == (2, "answer", 3)
    words = "2 rows kept: they have `answer`; overwrite=True or --overwrite asks again"
    assert words in str(summary)
    assert capfd.readouterr().err == f"step 1 Ask: {words}\n"


def test_a_cell_run_again_with_another_model_says_what_it_kept(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "ab")
    Ask(Echo()).run(storage.step())
    again = Ask(Echo(model="another")).run(storage.step())
    assert (again.step, again.kept, again.requests) == (2, 2, 0)
    assert "2 rows kept: they have `answer`; overwrite=True or --overwrite asks again" in str(again)
    third = Ask(Echo(model="another")).run(storage.step(), overwrite=True)
    assert (third.kept, third.requests) == (0, 2)
    assert "kept" not in str(third)


def test_the_options_of_a_run_overwrite_in_every_step(tmp_path: Path) -> None:
    storage = half_done(tmp_path, options=RunOptions(overwrite=True))
    assert Ask(Echo()).run(storage.step()).requests == 5
    assert Ask(Echo(model="another")).run(storage.step()).requests == 5


def test_the_options_of_a_run_ask_again_what_was_refused(tmp_path: Path) -> None:
    refusing = Scripted({"a": [Failure("refused", "never")]})
    Ask(refusing).run(prompts_storage(tmp_path, "ab").step())
    assert Ask(Echo()).run(prompts_storage(tmp_path, "ab").step()).failed == 1
    again = prompts_storage(tmp_path, "ab", options=RunOptions(retry_rejected=True))
    assert Ask(Echo()).run(again.step()).failed == 0
    assert "a/" in str(column(again, "answer")[0])


def test_a_dry_run_tells_what_a_run_would_keep(tmp_path: Path) -> None:
    summary = Ask(Echo()).run(half_done(tmp_path, dry_run=True).step())
    assert "2 rows kept: they have `answer`" in str(summary)
    summary = Ask(Echo()).run(half_done(tmp_path, options=RunOptions(dry_run=True, overwrite=True)).step())
    assert "kept" not in str(summary)


def test_one_kept_row_is_said_in_the_singular(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "in.jsonl", [{"prompt": "a", "answer": "mine"}])
    summary = Ask(Echo()).run(FileStorage(str(first), cache_path=str(tmp_path / "cache")).step())
    assert "1 row kept: it has `answer`; overwrite=True or --overwrite asks again" in str(summary)


def test_a_row_that_pandas_left_without_a_value_is_not_made(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "in.jsonl", [{"prompt": "a", "answer": "mine"}, {"prompt": "b", "answer": "mine"}])
    storage = FileStorage(str(first), cache_path=str(tmp_path / "cache"))
    frame = storage.step().read("dataframe")
    frame.loc[1, "answer"] = float("nan")
    storage.write(frame)
    summary = Ask(worker := Echo()).run(storage.step())
    assert (worker.asked, summary.kept) == (["b"], 1)

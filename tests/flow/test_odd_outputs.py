"""What an operator of one's own puts into a row is carried, or fails that row alone once its answer is kept."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy
import pytest

from dataflow.core.records import Answer, Row, Side
from dataflow.errors import ConfigError, Failure, StepFailed
from dataflow.operators.base import FilterOperator
from dataflow.utils.rowfiles import read_rows as rows_in
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, column, flat, prompts_storage, read_rows, write_rows
from tests.kit.workers import Echo, Scripted


class Own(Ask):
    """Returns what a function makes of the row that it would return."""

    sides = ("aside",)

    def __init__(self, worker: Echo, make: Callable[[Row], Any]) -> None:
        super().__init__(worker)
        self.make = make

    def merge(self, row: Row, answers: Sequence[Answer], columns: Any) -> Any:
        (made,) = super().merge(row, answers, columns)
        return self.make(made) if row["prompt"] == "odd" else [made]


def odd(value: object) -> Callable[[Row], Any]:
    return lambda row: [{**row, "thumb": value}]


def within(row: Row) -> list[Row]:
    row["meta"]["thumb"] = b"PNG"
    return [row]


WITHOUT_A_FORM = [
    (odd(b"PNG"), "column `thumb` holds a bytes, which JSON has no form for: b'PNG'. Leave the column out"),
    (odd({"by_name": [Decimal("1.10")]}), "column `thumb` holds a Decimal, which"),
    (odd({("a", 1): 2}), "column `thumb` holds a key of type tuple, which"),
    (odd(10**5000), "column `thumb` holds a number of too many digits"),
    (lambda row: [{**row, b"thumb": 1}], "column `b'thumb'` holds a key of type bytes, which"),
    (lambda row: [row, Side("aside", {"thumb": b"PNG"})], "column `thumb` holds a bytes, which"),
    (lambda row: [Side("elsewhere", row)], "for the side output 'elsewhere', which it did not declare"),
    (within, "column `meta` holds a bytes, which"),
    (lambda row: None, "must return a list of rows (dicts), each alone or in a Side, not None"),
    (lambda row: [[row]], "must return a list of rows (dicts), each alone or in a Side, not [{"),
]


@pytest.mark.parametrize(("make", "words"), WITHOUT_A_FORM)
def test_a_row_that_no_file_can_hold_fails_alone_and_costs_nothing_more(
    tmp_path: Path, make: Callable[[Row], Any], words: str
) -> None:
    rows = [{"prompt": prompt, "meta": {"n": 1}} for prompt in ("a", "odd", "b")]
    storage = FileStorage(write_rows(tmp_path / "in.jsonl", rows), tmp_path / "cache")
    summary = Own(Echo(), make).run(storage.step())
    assert (summary.rows, summary.failed, summary.requests) == (3, 1, 3)
    (line,) = read_rows(storage.current.errors)
    assert line["reason"].startswith("Own ")
    assert words in line["reason"]
    assert [bool(answer) for answer in column(storage, "answer")] == [True, False, True]
    assert read_rows(storage.current.side("aside")) == []
    mended = Echo()
    assert Ask(mended).run(storage.reset().step()).failed == 0
    assert mended.asked == []


def test_a_row_within_itself_fails_alone(tmp_path: Path) -> None:
    def knot(row: Row) -> list[Row]:
        row["self"] = [row]
        return [row]

    storage = prompts_storage(tmp_path, ["a", "odd"])
    assert Own(Echo(), knot).run(storage.step()).reasons == {
        "Own returns a row that no file can hold: column `self` holds values that are nested too deeply, or within"
        " themselves. Leave the column out or give it as text; a picture belongs in a file that the row names": 1
    }


def test_where_every_row_is_such_the_run_says_so_and_keeps_the_answers(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["odd"])
    with pytest.raises(StepFailed, match=r"every row of step 1 failed.*column `thumb` holds a bytes"):
        Own(Echo(), odd(b"PNG")).run(storage.step())
    mended = Echo()
    Ask(mended).run(storage.reset().step())
    assert mended.asked == []


@pytest.mark.parametrize("cache_type", ["jsonl", "json", "csv"])
def test_what_has_a_form_is_carried(tmp_path: Path, cache_type: str) -> None:
    values = {
        "set": {"b", "a", "c"},
        "mixed": {"b", 2, 10},
        "array": numpy.array([1.5, math.nan]),
        "path": tmp_path / "a.png",
        "time": datetime(2026, 1, 2, tzinfo=UTC),
        "nan": math.nan,
        "tuple": (1, numpy.float32(0.5)),
        "none": [numpy.datetime64("NaT"), None],
    }
    storage = prompts_storage(tmp_path, ["odd"], cache_type=cache_type)
    assert Own(Echo(), lambda row: [row | values]).run(storage.step()).failed == 0
    ((_, row),) = rows_in(storage.current.target)
    assert (row["set"], row["mixed"], row["array"]) == (["a", "b", "c"], [2, 10, "b"], [1.5, None])
    assert (row["path"], row["time"]) == (str(tmp_path / "a.png"), "2026-01-02T00:00:00+00:00")
    assert (row["tuple"], row["none"]) == ([1, 0.5], [None, None])
    assert row["nan"] in (None, "")


def test_a_row_changed_in_place_is_what_it_was_where_it_fails(tmp_path: Path) -> None:
    class Changing(Ask):
        def merge(self, row: Row, answers: Sequence[Answer], columns: Any) -> Any:
            row["prompt"], row["answer"] = "other", answers[0].text
            return [{**row, "thumb": b""}]

    storage = prompts_storage(tmp_path, ["a"])
    with pytest.raises(StepFailed):
        Changing(Echo()).run(storage.step())
    assert read_rows(storage.current.target) == [{"prompt": "a", "answer": []}]
    assert read_rows(storage.current.errors)[0]["fields"] == {"prompt": "a"}


@pytest.mark.parametrize("verdict", [None, "no", 1, ("no", "reason"), (False,), (False, b"reason")])
def test_a_filter_without_a_verdict_on_a_row_fails_that_row_alone(tmp_path: Path, verdict: object) -> None:
    class Unclear(FilterOperator):
        def keep(self, row: Row, answers: Sequence[Answer] | None) -> Any:
            return verdict if row["prompt"] == "odd" else numpy.bool_(row["prompt"] == "a")

    storage = prompts_storage(tmp_path, ["a", "odd", "b"])
    summary = Unclear().run(storage.step())
    assert (column(storage, "prompt"), summary.failed, summary.sides["dropped"]) == (["a"], 1, 1)
    words = "column `reason` holds a bytes" if verdict == (False, b"reason") else "True, False or (False, reason), not"
    assert words in flat(read_rows(storage.current.errors)[0]["reason"])


def test_a_failed_row_beside_texts_has_a_form_in_parquet(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "bad"], cache_type="parquet")
    summary = Ask(Scripted({"bad": [Failure("refused", "no")]})).run(storage.step())
    assert (summary.rows, summary.failed) == (2, 1)
    first, second = (row for _, row in rows_in(storage.current.target))
    assert (bool(first["answer"]), second["answer"]) == (True, None)


def test_a_step_written_by_hand_names_the_row_and_the_column(tmp_path: Path) -> None:
    step = prompts_storage(tmp_path, ["a"]).step()
    with pytest.raises(ConfigError, match=r"write\(\): row 2: column `thumb` holds a bytes, .*Leave the column out"):
        step.write([{"a": 1}, {"thumb": b"PNG"}])
    assert not step.target.exists()

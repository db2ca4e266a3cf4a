"""A source is read whole before the first request: its columns, and values that the step's file cannot hold."""

import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from dataflow.errors import ConfigError, InputError
from dataflow.utils.rowfiles import read_rows as rows_in
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, column, prompts_storage, write_rows
from tests.kit.workers import Echo


def parquet_rows(folder: Path, **columns: list[object]) -> str:
    table = pyarrow.table({"prompt": ["a", "b"], **columns})
    pyarrow.parquet.write_table(table, folder / "rows.parquet")
    return str(folder / "rows.parquet")


@pytest.mark.parametrize(
    "value", [{"bytes": b"PNG", "path": "a.png"}, Decimal("1.10"), [b"x"], timedelta(seconds=1)], ids=str
)
@pytest.mark.parametrize("cache_type", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_column_without_a_form_is_named_before_anything_is_asked(
    tmp_path: Path, value: object, cache_type: str, dry_run: bool
) -> None:
    worker = Echo()
    first = parquet_rows(tmp_path, extra=[None, value])
    step = FileStorage(first, tmp_path / "cache", cache_type=cache_type, dry_run=dry_run).step()
    with pytest.raises(ConfigError, match=r"rows\.parquet, record 2: column `extra` holds a .*JSON has no form"):
        Ask(worker).run(step)
    assert (worker.asked, step.target.exists()) == ([], False)


@pytest.mark.parametrize("values", [("a7", 7), ({}, {}), (2**70, 1)], ids=str)
def test_rows_that_fit_no_parquet_step_are_found_before_anything_is_asked(
    tmp_path: Path, values: tuple[object, ...]
) -> None:
    worker = Echo()
    rows = [{"prompt": f"p{n}", "id": value} for n, value in enumerate(values)]
    first, cache = write_rows(tmp_path / "in.jsonl", rows), tmp_path / "cache"
    with pytest.raises(ConfigError, match=r"not fit one parquet schema .*use cache_type='jsonl'"):
        Ask(worker).run(FileStorage(first, cache, cache_type="parquet").step())
    assert worker.asked == []
    step = FileStorage(first, cache).step()
    Ask(worker).run(step)
    assert column(step, "id") == list(values)


def test_a_missing_library_is_told_before_anything_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    worker = Echo()
    first = write_rows(tmp_path / "in.jsonl", [{"prompt": "a"}])
    with pytest.raises(ConfigError, match="parquet needs pyarrow"):
        Ask(worker).run(FileStorage(first, tmp_path / "cache", cache_type="parquet").step())
    assert worker.asked == []


@pytest.mark.parametrize("cache_type", ["jsonl", "json", "csv", "parquet"])
def test_what_has_a_form_is_in_the_step_whatever_its_kind(tmp_path: Path, cache_type: str) -> None:
    first = parquet_rows(tmp_path, score=[float("nan"), 0.5], times=[[1], []])
    step = FileStorage(first, tmp_path / "cache", cache_type=cache_type).step()
    Ask(Echo()).run(step)
    rows = [row for _, row in rows_in(step.target)]
    assert [row["score"] for row in rows] == (["", "0.5"] if cache_type == "csv" else [None, 0.5])
    assert [row["times"] for row in rows] == [[1], []]


def test_a_missing_column_is_refused_with_those_there_are_before_anything_is_asked(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a"])
    worker = Echo()
    with pytest.raises(ConfigError, match=r"no row of .*prompts\.jsonl has `text`; its columns are `prompt`"):
        Ask(worker).run(storage.step(), input_key="text")
    assert worker.asked == []
    assert not storage.current.target.exists()


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "is empty"), (b'{"prompt": "a"}\nbroken\n', r"prompts\.jsonl:2: ")]
)
def test_an_empty_or_broken_source_stops_before_anything_is_asked(tmp_path: Path, data: bytes, message: str) -> None:
    storage = prompts_storage(tmp_path, [])
    (tmp_path / "prompts.jsonl").write_bytes(data)
    worker = Echo()
    with pytest.raises(InputError, match=message):
        Ask(worker).run(storage.step())
    assert worker.asked == []

"""A source is read whole before the first request: its columns, and values that the step's file cannot hold.

All other values are carried, half a character and names of pictures that are not UTF-8 among them.
"""

import json
import os
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from dataflow.core.records import Request
from dataflow.errors import ConfigError, InputError, RowError
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.pools.executor import call_directly
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.rowfiles import read_rows as rows_in
from dataflow.utils.storage import FileStorage
from dataflow.view.reasons import Reasons
from tests.kit.drawing import mark_of, read_mark
from tests.kit.flow import Ask, column, draw, prompts_storage, read_rows, write_rows
from tests.kit.loopback import LoopbackServer
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
    with pytest.raises(
        ConfigError,
        match=r"no row of .*prompts\.jsonl has `text`; its columns are `prompt`.* run the step first",
    ):
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


def escaped(path: Path, rows: list[dict[str, Any]]) -> str:
    """Rows as `json.dumps` writes them, with an escape for half a character."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("more", [{}, {"long": 2**70}, {"score": float("nan")}], ids=str)
def test_half_a_character_that_is_not_sent_is_carried(tmp_path: Path, more: dict[str, Any]) -> None:
    rows = [{"prompt": "a"}, {"prompt": "b", "note": "cut in the middle of \ud83d", **more}, {"prompt": "c"}]
    step = FileStorage(escaped(tmp_path / "in.jsonl", rows), tmp_path / "cache").step()
    summary = Ask(Echo()).run(step)
    assert (summary.rows, summary.failed) == (3, 0)
    written = read_rows(step.target)[1]
    assert written["note"] == rows[1]["note"]
    assert written.get("long", 2**70) == 2**70


@pytest.mark.parametrize("more", [{}, {"long": 2**70}], ids=str)
def test_half_a_character_that_would_be_sent_fails_its_row_alone(tmp_path: Path, more: dict[str, Any]) -> None:
    rows = [{"prompt": "a"}, {"prompt": "make it \ud83d", **more}, {"prompt": "c"}]
    step = FileStorage(escaped(tmp_path / "in.jsonl", rows), tmp_path / "cache").step()
    worker = Echo()
    summary = Ask(worker).run(step)
    assert (worker.asked, summary.failed) == (["a", "c"], 1)
    (line,) = read_rows(step.errors)
    assert line["reason"].startswith("the text 'make it \\ud83d' ends in half a character")
    assert line["fields"] == {"prompt": "make it \ud83d"}
    (failed,) = Reasons(step.errors).read()
    assert (failed.kind, failed.reason) == ("row", line["reason"])
    assert json.loads(step.meta.read_text(encoding="utf-8"))["summary"]["reasons"] == {line["reason"]: 1}
    assert Ask(worker).run(step).requests == 0


def test_a_picture_whose_name_is_not_utf8_is_edited_and_known_again(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    picture = draw(tmp_path / "plain.png").rename(tmp_path / name)
    rows = [{"images": [name], "conversations": "make it blue"}, {"images": ["gone\udce9.png"], "conversations": "x"}]
    storage = FileStorage(escaped(tmp_path / "in.jsonl", rows), tmp_path / "cache")
    with LoopbackServer() as server:
        for _ in range(2):
            serving = APIVLMServing_openai(server.url, model_name="m", image_io=ImageIO(str(tmp_path / "made")))
            PromptedImageEditGenerator(serving).run(storage.reset().step())
        assert server.requests == 1
    first, second = read_rows(storage.current.target)
    assert read_mark(first["edited_images"][0]) == mark_of("make it blue", [picture.read_bytes()])
    assert (first["images"], second["edited_images"]) == ([str(tmp_path / name)], [])


def test_half_a_character_asked_of_a_serving_directly_is_told() -> None:
    with pytest.raises(RowError, match="half a character"):
        call_directly(Echo(), [Request("cut \ud83d", makes="text")])

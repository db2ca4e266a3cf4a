"""A step's files in the making: all of them get their names, or none."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import ConfigError
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows, write_rows


def storage_on(folder: Path, rows: list[dict[str, Any]], **settings: Any) -> FileStorage:
    return FileStorage(str(write_rows(folder / "in.jsonl", rows)), cache_path=str(folder / "cache"), **settings)


def test_an_interrupted_writer_keeps_the_part_and_the_old_step(tmp_path: Path) -> None:
    step = storage_on(tmp_path, []).step()
    step.write([{"a": "old"}])
    with pytest.raises(ZeroDivisionError), step.writer() as writer:  # noqa: PT012
        writer.write({"a": "new"})
        raise ZeroDivisionError
    assert read_rows(step.target) == [{"a": "old"}]
    assert read_rows(f"{step.target}.part") == [{"a": "new"}]
    step.write([{"a": "newer"}])
    assert sorted(os.listdir(step.target.parent)) == [
        "dataflow_cache_step_step1.jsonl",
        "dataflow_cache_step_step1.meta.json",
    ]


def test_side_outputs_are_renamed_with_the_step_and_old_errors_go(tmp_path: Path) -> None:
    step = storage_on(tmp_path, []).step()
    with step.writer(("rejects", "spare")) as writer:
        writer.write({"a": 1})
        writer.side("rejects", {"why": "blurred"})
        writer.side("errors", {"reason": "gone"})
        assert not step.target.exists()
        writer.commit({"rows": 1, "sides": {"rejects": 1, "spare": 0}})
    assert read_rows(step.errors) == [{"reason": "gone"}]
    assert read_rows(tmp_path / "cache" / "dataflow_cache_step_step1.rejects.jsonl") == [{"why": "blurred"}]
    assert read_rows(step.side("spare")) == []
    with step.writer() as writer:
        writer.side("errors", {"reason": "interrupted"})
    step.write([{"a": 1}])
    assert not [name for name in os.listdir(tmp_path / "cache") if "errors" in name]
    assert not [name for name in os.listdir(tmp_path / "cache") if "rejects" in name or "spare" in name]


def test_what_a_meta_names_beside_side_outputs_is_not_removed(tmp_path: Path) -> None:
    step = storage_on(tmp_path, []).step()
    step.write([])
    own = step.side("a_step9")
    for path in (own, tmp_path / "precious.jsonl"):
        path.write_text("")
    (tmp_path / "cache" / "dataflow_cache_step_step1.").mkdir()
    step.meta.write_text(json.dumps({"sides": {"a_step9": 1, "/../../precious": 1}}))
    assert step.side("/../../precious").exists()
    step.write([])
    assert own.exists()
    assert (tmp_path / "precious.jsonl").exists()


@pytest.mark.parametrize("name", ["errors", "meta", "", "Dropped", "a b", "../x", "a.b", "x_step2"])
def test_a_name_that_a_side_output_cannot_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"a side output cannot be named {name!r}"):
        storage_on(tmp_path, []).step().writer((name,))


def test_meta_records_where_and_with_what_a_step_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    step = FileStorage(str(write_rows(tmp_path / "in.jsonl", [])), cache_path="cache").step()
    step.write([])
    meta = json.loads(step.meta.read_text(encoding="utf-8"))
    assert (meta["cwd"], meta["cache_path"]) == (str(tmp_path), str(tmp_path / "cache"))
    assert "dataflow" in meta["versions"]

"""FileStorage and Step: the guide's names, files that are complete or absent, operators written by hand."""

import json
import os
from pathlib import Path
from typing import Any

import pandas
import pytest

from dataflow.core import OperatorABC
from dataflow.core.run_options import RunOptions
from dataflow.errors import ConfigError, InputError, RowError
from dataflow.utils.storage import FileStorage
from tests.kit.flow import draw, read_rows, write_rows


def storage_on(folder: Path, rows: list[dict[str, Any]], **settings: Any) -> FileStorage:
    return FileStorage(str(write_rows(folder / "in.jsonl", rows)), cache_path=str(folder / "cache"), **settings)


def test_steps_read_what_the_one_before_wrote(tmp_path: Path) -> None:
    storage = storage_on(tmp_path, [{"a": 1}], file_name_prefix="run", cache_type="jsonl")
    first, second = storage.step(), storage.step()
    cache = tmp_path / "cache"
    assert (first.source, first.target) == (tmp_path / "in.jsonl", cache / "run_step1.jsonl")
    assert (second.source, second.target) == (first.target, cache / "run_step2.jsonl")
    assert second.errors == cache / "run_step2.errors.jsonl"
    assert not cache.exists()


def test_a_step_is_fixed_but_takes_attributes_of_its_own(tmp_path: Path) -> None:
    step = storage_on(tmp_path, []).step()
    with pytest.raises(AttributeError, match="cache_path is fixed"):
        step.cache_path = "elsewhere"
    step.media_key = "images"
    step.media_key = "pictures"
    assert step.media_key == "pictures"  # type: ignore[attr-defined]
    assert (step.cache_path, step.cache_type) == (str(tmp_path / "cache"), "jsonl")
    assert "Step(1" in repr(step)


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
def test_rows_written_by_hand_are_read_by_the_next_step(tmp_path: Path, kind: str) -> None:
    storage = storage_on(tmp_path, [{"text": "红", "images": ["a.png"]}], cache_type=kind)
    rows = storage.step().read("dict")
    assert rows == [{"text": "红", "images": ["a.png"]}]
    path = storage.write([{**row, "extra": "x"} for row in rows])
    assert path == str(tmp_path / "cache" / f"dataflow_cache_step_step1.{kind}")
    assert storage.step().read("dict") == [{"text": "红", "images": ["a.png"], "extra": "x"}]
    assert list(storage.rows()) == storage.read("dict")


def test_a_dataframe_goes_round_with_missing_values_as_null(tmp_path: Path) -> None:
    storage = storage_on(tmp_path, [{"a": 1, "t": "0012", "l": ["x"]}, {"a": 2, "t": "y", "l": []}])
    frame = storage.step().read()
    assert isinstance(frame, pandas.DataFrame)
    frame["score"] = [0.5, float("nan")]
    frame["when"] = pandas.Series([pandas.Timestamp("2026-01-02"), pandas.NaT])
    storage.write(frame)
    assert storage.step().read("dict") == [
        {"a": 1, "t": "0012", "l": ["x"], "score": 0.5, "when": "2026-01-02T00:00:00"},
        {"a": 2, "t": "y", "l": [], "score": None, "when": None},
    ]


def test_an_operator_written_by_hand_needs_only_run(tmp_path: Path) -> None:
    class Upper(OperatorABC):
        def run(self, storage: Any, input_key: str) -> list[str]:
            frame = storage.read("dataframe")
            frame["upper"] = frame[input_key].str.upper()
            storage.write(frame)
            return ["upper"]

    storage = storage_on(tmp_path, [{"t": "a"}])
    assert Upper().run(storage.step(), input_key="t") == ["upper"]
    storage.step()
    Upper().run(storage, input_key="upper")
    assert read_rows(storage.current.target) == [{"t": "a", "upper": "A"}]
    assert Upper.get_desc("zh") == ""


@pytest.mark.parametrize("data", [[1, 2], {"a": 1}, "text", ["a"]])
def test_write_refuses_what_is_no_list_of_dicts_and_leaves_no_step(tmp_path: Path, data: Any) -> None:
    step = storage_on(tmp_path, []).step()
    with pytest.raises(ConfigError, match="DataFrame or a list of dicts"):
        step.write(data)
    assert not step.target.exists()


def test_read_names_the_forms_it_knows(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='"dataframe" or "dict", not \'arrow\''):
        storage_on(tmp_path, []).step().read("arrow")  # type: ignore[arg-type]


def test_storage_without_step_says_to_call_it(tmp_path: Path) -> None:
    storage = storage_on(tmp_path, [])
    for use in (storage.read, storage.rows, lambda: storage.write([])):
        with pytest.raises(ConfigError, match=r"call storage\.step\(\) before"):
            use()


def test_reset_begins_at_step_1_again(tmp_path: Path) -> None:
    storage = storage_on(tmp_path, [])
    storage.step()
    storage.step()
    assert storage.reset() is storage
    assert storage.step().number == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cache_type": "pickle"}, "cache_type is 'pickle'; choose one of jsonl"),
        ({"first_entry_file_name": ""}, "empty"),
        ({"limit": 0}, "limit is 0: give a number of rows from 1"),
        ({"limit": 3, "options": RunOptions()}, "give FileStorage one or the other"),
    ],
)
def test_wrong_settings_are_refused_at_once(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FileStorage(**{"first_entry_file_name": "a.jsonl", **wrong})


def test_the_options_of_a_run_are_one_value_from_the_storage_to_each_step(tmp_path: Path) -> None:
    options = RunOptions(limit=2, max_cost=5, prices={"m": {"image": 0.1}}, dry_run=True)
    by_name = FileStorage("a.jsonl", limit=2, max_cost=5, prices={"m": {"image": 0.1}}, dry_run=True)
    assert by_name.step().options == options
    assert FileStorage("a.jsonl", options=options).step().options is options
    assert FileStorage("a.jsonl").step().options == RunOptions()
    storage = storage_on(tmp_path, [{"a": n} for n in range(3)], options=options)
    assert storage.step().read("dict") == [{"a": 0}, {"a": 1}]


def test_a_step_whose_source_was_never_written_says_what_to_run(tmp_path: Path) -> None:
    storage = storage_on(tmp_path, [])
    storage.step()
    with pytest.raises(InputError, match=r"step 2 reads .*_step1\.jsonl, which does not exist: run step 1 first"):
        list(storage.step().rows())


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


def test_pictures_are_found_from_the_cwd_the_jsonl_and_after_the_cache_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    draw(tmp_path / "beside.png")
    draw(tmp_path / "work" / "here.png")
    made = draw(tmp_path / "work" / "cache" / "images" / "made.png")
    first = str(write_rows(tmp_path / "in.jsonl", []))
    storage = FileStorage(first, cache_path="./cache")
    storage.step().write([])
    for name in ("beside.png", "here.png", "cache/images/made.png", str(made)):
        assert Path(storage.current.path_rules().resolve(name)).is_file()

    os.rename(tmp_path / "work" / "cache", tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    moved = FileStorage(first, cache_path="moved")
    moved.step()
    rules = moved.step().path_rules()
    assert rules.resolve("here.png") == str(tmp_path / "work" / "here.png")
    for name in ("cache/images/made.png", "./cache/images/made.png", str(made)):
        assert rules.resolve(name) == str(tmp_path / "moved" / "images" / "made.png")
    with pytest.raises(RowError, match=r"gone\.png"):
        rules.resolve("gone.png")


def test_pictures_of_an_import_are_found_where_they_moved_with_its_rows(tmp_path: Path) -> None:
    picture = draw(tmp_path / "there" / "rows.pictures" / "ab" / "abc.png")
    photo = draw(tmp_path / "there" / "photos" / "a.png")
    write_rows(tmp_path / "there" / "rows.jsonl", [])
    (tmp_path / "there" / "rows.meta.json").write_text(json.dumps({"store": str(picture.parents[1])}))
    rules = FileStorage(tmp_path / "there" / "rows.jsonl", tmp_path / "cache").step().path_rules()
    assert rules.resolve(str(picture)) == str(picture)
    (tmp_path / "there").rename(tmp_path / "here")
    rules = FileStorage(tmp_path / "here" / "rows.jsonl", tmp_path / "cache").step().path_rules()
    assert rules.resolve(str(picture)) == str(tmp_path / "here" / "rows.pictures" / "ab" / "abc.png")
    assert rules.resolve(str(photo)) == str(tmp_path / "here" / "photos" / "a.png")


def test_pictures_beside_a_cache_are_found_where_they_moved_with_it(tmp_path: Path) -> None:
    photo = draw(tmp_path / "there" / "photos" / "a.png")
    first = write_rows(tmp_path / "there" / "rows.jsonl", [])
    FileStorage(first, tmp_path / "there" / "cache").step().write([])
    (tmp_path / "there").rename(tmp_path / "here")
    storage = FileStorage(tmp_path / "here" / "rows.jsonl", tmp_path / "here" / "cache")
    storage.step()
    assert storage.step().path_rules().resolve(str(photo)) == str(tmp_path / "here" / "photos" / "a.png")


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_rows(tmp_path / "in.jsonl", [{"a": 1}])
    storage = FileStorage("~/in.jsonl", cache_path="~/cache")
    storage.step().write(storage.read("dict"))
    assert read_rows(tmp_path / "cache" / "dataflow_cache_step_step1.jsonl") == [{"a": 1}]
    assert storage.step().path_rules().moved is None

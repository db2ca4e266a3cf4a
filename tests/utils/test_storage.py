"""FileStorage and Step: the guide's names, files that are complete or absent, operators written by hand."""

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pandas
import pytest

from dataflow.core import OperatorABC
from dataflow.core.run_options import RunOptions
from dataflow.errors import AnswerError, ConfigError, Failure, InputError, Interrupted, RowError, StepFailed
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, column, draw, prompts_storage, read_rows, write_rows
from tests.kit.workers import Breaking, Echo, Gated, Scripted


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


def number_of_next(storage: FileStorage) -> int:
    return storage.step().number


def test_a_cell_that_ctrl_c_ended_goes_on_with_the_same_step(tmp_path: Path) -> None:
    storage, worker = prompts_storage(tmp_path, ["first", "held"]), Gated(held="held", width=1)

    def interrupt() -> None:
        worker.await_jobs(2)
        os.kill(os.getpid(), signal.SIGINT)
        worker.open()

    threading.Thread(target=interrupt).start()
    with pytest.raises(Interrupted):
        Ask(worker).run(storage.step())
    summary = Ask(Echo()).run(storage.step())
    assert (summary.step, summary.reused, summary.failed) == (1, 2, 0)


def test_a_step_that_an_exception_ended_is_handed_out_again_until_it_is_done(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "abc")
    with pytest.raises(ZeroDivisionError):
        Ask(Breaking(ZeroDivisionError(), at="b")).run(storage.step())
    no_key = Ask(Scripted({"c": [Failure("fatal", "no such key")]}))
    with pytest.raises(AnswerError):
        no_key.run(storage.step())
    with pytest.raises(ConfigError, match="no row of"):
        Ask(Echo()).run(storage.step(), input_key="nowhere")
    summary = Ask(Echo()).run(storage.step())
    assert (summary.step, summary.failed) == (1, 0)
    assert number_of_next(storage) == 2


def test_a_step_of_which_every_row_failed_is_handed_out_again_although_its_file_is_there(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["bad"])
    with pytest.raises(StepFailed):
        Ask(Scripted({"bad": [Failure("failed", "no")] * 9})).run(storage.step())
    assert storage.current.target.exists()
    assert Ask(Echo()).run(storage.step()).step == 1


def test_a_finished_step_is_passed_whatever_lies_on_disk(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "a")
    Ask(Echo()).run(storage.step())
    storage.current.target.unlink()
    assert number_of_next(storage) == 2


def test_a_look_at_rows_moves_nothing(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "ab")
    Ask(Echo()).run(storage.step())
    for _ in range(3):
        assert [row["prompt"] for row in storage.step().read("dict")] == ["a", "b"]
        assert len(list(storage.rows())) == 2
    assert Ask(Echo()).run(storage.step(), output_key="more").step == 2
    storage.read("dict")
    assert number_of_next(storage) == 3


def test_steps_handed_out_beforehand_are_passed(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "a")
    first, second, third = storage.step(), storage.step(), storage.step()
    assert [step.number for step in (first, second, third)] == [1, 2, 3]
    Ask(Echo()).run(first)
    Ask(Echo()).run(second, output_key="more")
    assert number_of_next(storage) == 4


def test_a_dry_run_of_three_steps_hands_out_three(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "ab", dry_run=True)
    echo = Echo()
    numbers = [Ask(echo).run(storage.step(), output_key=key).step for key in ("one", "two", "three")]
    assert numbers == [1, 2, 3]
    assert number_of_next(storage) == 4


def test_a_bare_step_statement_counts_like_one_whose_value_is_taken(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "ab")
    storage.step()
    storage.write(storage.read("dict"))
    storage.step()
    with pytest.raises(ConfigError, match="DataFrame or a list"):
        storage.write([1, 2])  # type: ignore[list-item]
    storage.step()
    storage.write(storage.read("dict"))
    assert (storage.current.number, storage.step().number) == (2, 3)


def test_an_operator_written_by_hand_that_raises_runs_again_on_the_same_step(tmp_path: Path) -> None:
    class Upper(OperatorABC):
        def run(self, storage: Any, *, broken: bool) -> str:
            rows = storage.read("dict")
            if broken:
                raise KeyError("a slip in the cell")
            path: str = storage.write([{"prompt": row["prompt"].upper()} for row in rows])
            return path

    storage = prompts_storage(tmp_path, "ab")
    with pytest.raises(KeyError):
        Upper().run(storage.step(), broken=True)
    Upper().run(storage.step(), broken=False)
    assert column(storage, "prompt") == ["A", "B"]
    assert number_of_next(storage) == 2


def test_an_input_that_appears_later_is_read_by_the_same_step(tmp_path: Path) -> None:
    storage = FileStorage(str(tmp_path / "later.jsonl"), cache_path=str(tmp_path / "cache"))
    with pytest.raises(InputError, match="no input file"):
        storage.step().read("dict")
    write_rows(tmp_path / "later.jsonl", [{"a": 1}])
    assert storage.step().read("dict") == [{"a": 1}]


def test_reset_forgets_what_was_broken_off(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "a")
    Ask(Echo()).run(storage.step())
    storage.step().read("dict")
    assert storage.reset().step().number == 1
    assert number_of_next(storage) == 2


def test_a_step_that_runs_in_another_thread_is_passed(tmp_path: Path) -> None:
    storage, worker = prompts_storage(tmp_path, "a"), Gated()
    running = threading.Thread(target=Ask(worker).run, args=(storage.step(),))
    running.start()
    worker.await_jobs(1)
    assert number_of_next(storage) == 2
    worker.open()
    running.join()

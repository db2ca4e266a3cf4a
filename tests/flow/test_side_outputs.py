"""Side outputs: rows that do not go on stand in files of their own, in order, each once, whatever stopped the run."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dataflow.core.records import Request, Row, Side
from dataflow.core.source import Ended, Settled, Source
from dataflow.errors import ConfigError, Failure, RowError, StepFailed
from dataflow.flow.recipe import Recipe, Steps
from dataflow.flow.runner import run_step
from dataflow.utils.storage import FileStorage, Step
from tests.kit.flow import column, prompts_storage, read_rows, recipe
from tests.kit.workers import Breaking, Echo, Scripted, Uneven


def sort_out(row: Row) -> Steps:
    """Rows with an odd number go to `odd`, others on; every answer is noted in `said`."""
    (answer,) = yield [Request(row["prompt"], makes="text", worker="model")]
    answer.raise_for_error()
    note = Side("said", {"said": answer.text.split("/")[0]})
    return [Side("odd", row) if int(row["prompt"]) % 2 else row, note]


def sorting(worker: Echo, **settings: object) -> Recipe:
    return recipe(worker, **{"steps": sort_out, "output": None, "sides": ("odd", "said"), **settings})


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def files_of(step: Step) -> list[str]:
    return sorted(path.name.removeprefix("dataflow_cache_step_step1.") for path in step.target.parent.glob("*step1*"))


def test_rows_go_to_the_side_output_that_they_name_in_input_order(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, numbers(700))
    summary = run_step(sorting(Uneven(width=16)), storage.step())
    step = storage.current
    assert column(step, "prompt") == numbers(700)[::2]
    assert [row["prompt"] for row in read_rows(step.side("odd"))] == numbers(700)[1::2]
    assert [row["said"] for row in read_rows(step.side("said"))] == numbers(700)
    assert (summary.rows, summary.failed, summary.sides) == (350, 0, {"odd": 350, "said": 700})
    assert str(summary).startswith("step 1: 350 rows, 350 odd, 700 said, 0 failed, 700 requests sent")
    assert json.loads(step.meta.read_bytes())["sides"] == {"odd": 350, "said": 700}
    again = Echo()
    assert run_step(sorting(again), storage.reset().step()).sides == summary.sides
    assert again.asked == []


def test_files_are_there_from_the_start_and_empty_ones_at_the_end(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["0"])
    with pytest.raises(ZeroDivisionError):
        run_step(sorting(Breaking(ZeroDivisionError())), storage.step())
    assert files_of(storage.current) == ["jsonl.part", "odd.jsonl.part", "said.jsonl.part"]
    run_step(sorting(Echo()), storage.reset().step())
    assert files_of(storage.current) == ["jsonl", "meta.json", "odd.jsonl", "said.jsonl"]
    assert storage.current.side("odd").read_bytes() == b""


def test_none_is_left_of_an_earlier_run(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["1", "3"])
    run_step(sorting(Echo()), storage.step())
    prompts_storage(tmp_path, ["0", "2"])
    run_step(sorting(Echo()), storage.reset().step())
    assert read_rows(storage.current.side("odd")) == []
    run_step(recipe(Echo()), storage.reset().step())
    assert files_of(storage.current) == ["jsonl", "meta.json"]


def test_an_interrupted_run_leaves_the_files_of_the_one_before(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["0", "1"])
    run_step(sorting(Echo()), storage.step())
    prompts_storage(tmp_path, ["0", "1", "3"])
    with pytest.raises(ZeroDivisionError):
        run_step(sorting(Breaking(ZeroDivisionError(), at="3")), storage.reset().step())
    assert [row["prompt"] for row in read_rows(storage.current.side("odd"))] == ["1"]


def test_a_row_that_failed_goes_to_no_side_output(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["0", "1", "2"])

    def careless(row: Row) -> Steps:
        yield [Request(row["prompt"], makes="text", worker="model")]
        return [Side("odd", row)]

    refused: dict[str, list[Failure]] = {"1": [Failure("refused", "no")]}
    summary = run_step(sorting(Scripted(refused), steps=careless), storage.step())
    assert (summary.failed, summary.sides["odd"]) == (1, 2)
    assert [row["prompt"] for row in read_rows(storage.current.side("odd"))] == ["0", "2"]
    assert [line["row"] for line in read_rows(storage.current.errors)] == [1]


def test_when_every_row_failed_the_side_outputs_of_the_run_before_go_with_its_step_file(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["1"])
    run_step(sorting(Echo()), storage.step())
    other = Scripted({"1": [Failure("refused", "no")]})
    other.model = "another"
    with pytest.raises(StepFailed):
        run_step(sorting(other), storage.reset().step())
    assert files_of(storage.current) == ["errors.jsonl"]


def test_a_failed_row_alone_in_the_file_lacks_no_column_that_the_next_step_names(tmp_path: Path) -> None:
    def judged(row: Row) -> Steps:
        (answer,) = yield [Request(row["prompt"], makes="text", worker="model")]
        answer.raise_for_error()
        return [Side("odd", row)]  # a row that goes on would have a verdict and a picture

    storage = prompts_storage(tmp_path, numbers(3))
    down = Scripted({"1": [Failure("failed", "nobody is there")]})
    run_step(sorting(down, steps=judged, output="verdict", also=("picture",)), storage.step())
    assert read_rows(storage.current.target) == [{"prompt": "1", "verdict": [], "picture": []}]
    with pytest.raises(StepFailed, match="1 x no `picture`: failed earlier"):
        run_step(recipe(Echo(), inputs=("picture",)), storage.step())


def test_a_side_output_that_was_not_declared_is_named(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["1"])
    with pytest.raises(StepFailed, match=r"Ask returns .* 'odd', which it did not declare; declared: said"):
        run_step(sorting(Echo(), sides=("said",)), storage.step())


@pytest.mark.parametrize("wrong", ["row", Side("odd", "row"), ("odd", {})])  # type: ignore[arg-type]
def test_what_is_neither_row_nor_side_is_named(tmp_path: Path, wrong: object) -> None:
    def steps(row: Row) -> Steps:
        yield []
        return [row, wrong]  # type: ignore[list-item]

    with pytest.raises(StepFailed, match=r"Ask must return a list of rows .* not "):
        run_step(sorting(Echo(), steps=steps), prompts_storage(tmp_path, ["1"]).step())


def test_names_of_the_flows_own_files_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    worker = Echo()
    with pytest.raises(ConfigError, match="cannot be named 'errors'"):
        run_step(sorting(worker, sides=("errors",)), prompts_storage(tmp_path, ["1"]).step())
    assert worker.prepared == 0


class Numbers(Source):
    """Ten numbers; it drops every third row and counts what it was shown."""

    def __init__(self) -> None:
        self.shown: list[Sequence[Row]] = []

    def __len__(self) -> int:
        return 10

    def row(self, index: int) -> Row:
        return {"prompt": str(index)}

    def settle(self, index: int, ended: Ended) -> Settled:
        self.shown.append(ended.rows)
        return Settled(() if index % 3 == 0 else ended.rows, ended.sides, ended.error)


def test_rows_that_a_source_made_go_to_side_outputs_too(tmp_path: Path) -> None:
    storage, source = FileStorage(cache_path=tmp_path / "cache"), Numbers()
    run_step(sorting(Uneven(), source=source, inputs=()), storage.step())
    step = storage.current
    assert column(step, "prompt") == ["2", "4", "8"]
    assert [row["prompt"] for row in read_rows(step.side("odd"))] == numbers(10)[1::2]
    assert [len(rows) for rows in source.shown] == [1, 0] * 5


def test_a_dry_run_takes_no_side_row_for_one_that_comes_out(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["1", "2"])
    run_step(sorting(Echo()), storage.step())
    dry = FileStorage(storage.first_entry_file_name, storage.cache_path, dry_run=True)
    assert run_step(sorting(Echo()), dry.step()).estimate is not None
    assert (dry.expected[1].rows, dry.expected[1].samples) == (1, [{"prompt": "2"}])


def give_up(row: Row) -> Steps:
    (answer,) = yield [Request(row["prompt"], makes="text", worker="model")]
    return [Side("said", {"said": answer.text.split("/")[0]}), RowError("nobody can tell")]


def test_a_row_that_fails_may_leave_side_outputs(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["0", "1"])
    with pytest.raises(StepFailed, match="nobody can tell"):
        run_step(sorting(Echo(), steps=give_up, output="answer"), storage.step())
    step = storage.current
    assert [row["said"] for row in read_rows(step.side("said"))] == ["0", "1"]
    assert [row["reason"] for row in read_rows(step.side("errors"))] == ["nobody can tell"] * 2
    assert column(step, "answer") == [[], []]

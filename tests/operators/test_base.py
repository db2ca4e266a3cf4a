"""What every operator has: its words in two languages, its servings by name, the columns of one run."""

import inspect
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataflow.core import OperatorABC
from dataflow.core.records import Answer, Request, Row, Side
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError, DataflowError, Failure, RowError, StepFailed
from dataflow.flow.summary import Summary
from dataflow.operators import core_text, core_vision
from dataflow.operators.base import Columns, FilterOperator, OneWaveOperator
from dataflow.utils.storage import FileStorage, Step
from tests.kit.flow import column, prompts_storage, read_rows, write_rows
from tests.kit.workers import Echo, Scripted

SHIPPED = [getattr(module, name) for module in (core_text, core_vision) for name in module.__all__]


class Upper(OneWaveOperator):
    """Asks for a column's text, of the one serving that it was given."""

    def run(self, storage: FileStorage | Step, source: str = "prompt", target: str = "answer") -> Summary:
        return self.execute(storage, inputs=source, outputs=target)

    def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
        (source,) = columns.inputs
        return [Request(row[source], makes="text")]

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row | Side]:
        return [{**row, columns.output: answers[0].text.split("/")[0].upper()}]


@pytest.mark.parametrize("operator", SHIPPED)
def test_each_shipped_operator_says_in_two_languages_what_it_does(operator: type[OperatorABC]) -> None:
    english, chinese = operator.get_desc(), operator.get_desc("zh")
    assert english.isascii()
    assert english.endswith(".")
    assert chinese.endswith("。")


@pytest.mark.parametrize("operator", SHIPPED)
def test_the_arguments_of_run_show_their_types_and_defaults(operator: type[OperatorABC]) -> None:
    parameters = inspect.signature(operator.run).parameters
    assert all(each.annotation is not inspect.Parameter.empty for name, each in parameters.items() if name != "self")
    columns = {name: each for name, each in parameters.items() if name.endswith("_key")}
    assert columns
    assert all(each.default for each in columns.values() if each.annotation is str)
    assert all(each.default is None for each in columns.values() if each.annotation is not str)
    assert {each.annotation for each in columns.values()} <= {str, str | None}
    assert not [each for each in parameters.values() if each.kind == inspect.Parameter.VAR_KEYWORD]


def test_one_object_runs_steps_with_columns_of_their_own_at_once(tmp_path: Path) -> None:
    operator = Upper(Echo())
    storages = []
    for name in "ab":
        (tmp_path / name).mkdir()
        storages.append(prompts_storage(tmp_path / name, [f"{name}{n}" for n in range(300)]))
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(operator.run, each.step(), target=to) for each, to in zip(storages, "xy", strict=True)]
        assert [run.result().failed for run in runs] == [0, 0]
    assert column(storages[0], "x") == [f"A{n}" for n in range(300)]
    assert column(storages[1], "y") == [f"B{n}" for n in range(300)]


def test_one_name_is_one_column_and_one_side_output(tmp_path: Path) -> None:
    class Aside(Upper):
        sides = "shouted"

        def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row | Side]:
            return [*super().merge(row, answers, columns), Side("shouted", {"answer": answers[0].text.upper()})]

    storage = prompts_storage(tmp_path, ["a"])
    assert Aside(Echo()).run(storage.step()).sides == {"shouted": 1}
    assert len(read_rows(storage.current.side("shouted"))) == 1


def test_an_operator_that_was_given_no_serving_says_which_it_misses(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Upper asks a worker named 'worker', which it was not given"):
        Upper().run(prompts_storage(tmp_path, ["a"]).step())


def test_servings_may_be_set_without_the_constructor_of_the_base(tmp_path: Path) -> None:
    class Own(Upper):
        def __init__(self) -> None:
            self.workers = {"worker": Echo()}

    storage = prompts_storage(tmp_path, ["a"])
    assert Own().run(storage.step()).rows == 1
    assert column(storage, "answer") == ["A"]


class KeepGood(FilterOperator):
    """Keeps prompts that the judge does not call bad; it knows those that begin with `known` itself."""

    inputs = ("prompt",)

    def question(self, row: Row) -> Request | None:
        return None if row["prompt"].startswith("known") else Request(row["prompt"], makes="text")

    def keep(self, row: Row, answers: Sequence[Answer] | None) -> bool | tuple[bool, str]:
        if answers is None:
            return row["prompt"] == "known good"
        return "bad" not in answers[0].text, f"the judge says {answers[0].text.split('/')[0]}"


class KeepShort(FilterOperator):
    """Asks nobody."""

    inputs = ("prompt",)

    def keep(self, row: Row, answers: Sequence[Answer] | None) -> tuple[bool, str]:
        assert answers is None
        return len(row["prompt"]) < 5, f"{len(row['prompt'])} characters"


def failing(*prompts: str) -> Scripted:
    return Scripted({prompt: [Failure("retry", "the judge is busy", retries=0)] for prompt in prompts})


def dropped(step: Step) -> list[Row]:
    return read_rows(step.side("dropped"))


def test_each_row_goes_where_the_answers_say_and_the_summary_counts_them(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["good", "bad", "known good", "known", "busy", "fine"])
    judge = failing("busy")
    summary = KeepGood(judge).run(storage.step())
    assert column(storage, "prompt") == ["good", "known good", "fine"]
    assert dropped(storage.current) == [
        {"prompt": "bad", "reason": "the judge says bad"},
        {"prompt": "known", "reason": ""},
    ]
    assert [(line["row"], line["reason"]) for line in read_rows(storage.current.errors)] == [(4, "the judge is busy")]
    assert str(summary).startswith("step 1: 3 rows kept, 2 dropped, 1 failed, 4 requests sent")
    assert "\n  1 x the judge is busy\n" in str(summary)
    assert sorted(judge.asked) == ["bad", "busy", "fine", "good"]


def test_a_filter_whose_judge_fails_for_3_of_10_rows_keeps_none_of_the_three(tmp_path: Path) -> None:
    prompts = [f"p{number}" for number in range(10)]
    storage = prompts_storage(tmp_path, prompts)
    summary = KeepGood(failing("p1", "p5", "p9")).run(storage.step())
    assert (summary.rows, summary.sides, summary.failed) == (7, {"dropped": 0}, 3)
    assert column(storage, "prompt") == ["p0", "p2", "p3", "p4", "p6", "p7", "p8"]
    assert (dropped(storage.current), len(read_rows(storage.current.errors))) == ([], 3)
    healed = Echo()
    assert KeepGood(healed).run(storage.reset().step()).rows == 10
    assert sorted(healed.asked) == ["p1", "p5", "p9"]
    assert column(storage, "prompt") == prompts
    assert not storage.current.errors.exists()


def test_a_filter_that_asks_nobody_needs_no_serving(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["long enough", "ok"])
    summary = KeepShort().run(storage.step())
    assert column(storage, "prompt") == ["ok"]
    assert dropped(storage.current) == [{"prompt": "long enough", "reason": "11 characters"}]
    assert str(summary).startswith("step 1: 1 row kept, 1 dropped, 0 failed, 0 requests sent")


def test_all_rows_dropped_is_no_failure(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["long enough"])
    assert KeepShort().run(storage.step()).failed == 0
    assert (read_rows(storage.current.target), len(dropped(storage.current))) == ([], 1)
    assert KeepShort().run(storage.step()).rows == 0
    assert (read_rows(storage.current.target), dropped(storage.current)) == ([], [])


def test_all_rows_failed_leaves_no_step_file(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    with pytest.raises(StepFailed, match="every row of step 1 failed"):
        KeepGood(failing("a", "b")).run(storage.step())
    assert not storage.current.target.exists()
    assert not storage.current.side("dropped").exists()


def test_one_row_is_asked_of_several_judges_and_fails_with_one_of_them(tmp_path: Path) -> None:
    class KeepApproved(FilterOperator):
        def question(self, row: Row) -> Sequence[Request]:
            return [Request(row["prompt"], makes="text", worker=name) for name in ("strict", "kind")]

        def keep(self, row: Row, answers: Sequence[Answer] | None) -> bool:
            assert answers is not None
            return sum("bad" in answer.text for answer in answers) < 2

    storage = prompts_storage(tmp_path, ["a", "bad", "busy"])
    judges: Mapping[str, Worker] = {"strict": Echo(model="strict"), "kind": failing("busy")}
    summary = KeepApproved(judges).run(storage.step())
    assert (summary.rows, summary.sides["dropped"], summary.failed, summary.requests) == (1, 1, 1, 6)
    assert column(storage, "prompt") == ["a"]


def test_a_reason_of_the_rows_own_is_kept(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", [{"prompt": "a long one", "reason": "mine"}])
    storage = FileStorage(rows, tmp_path / "cache")
    KeepShort().run(storage.step())
    assert dropped(storage.current) == [{"prompt": "a long one", "reason": "mine", "dropped_reason": "10 characters"}]


def test_a_question_that_is_no_request_stops_the_run(tmp_path: Path) -> None:
    class Asks(KeepGood):
        def question(self, row: Row) -> Request | None:
            return "Is it good?"  # type: ignore[return-value]

    judge = Echo()
    with pytest.raises(DataflowError, match=r"Asks asked with 'Is it good\?': ask with a list of Requests"):
        Asks(judge).run(prompts_storage(tmp_path, ["a"]).step())
    assert judge.asked == []


@pytest.mark.parametrize("method", ["question", "keep"])
def test_a_row_that_cannot_be_judged_goes_to_the_errors_file(tmp_path: Path, method: str) -> None:
    def refuse(self: FilterOperator, row: Row, answers: object = None) -> bool:
        if row["prompt"] == "odd":
            raise RowError("no verdict is possible")
        return True if method == "keep" else None  # type: ignore[return-value]

    strange = type("Strange", (KeepShort,), {method: refuse})
    storage = prompts_storage(tmp_path, ["a", "odd"])
    assert strange().run(storage.step()).failed == 1
    assert (column(storage, "prompt"), dropped(storage.current)) == (["a"], [])


def test_a_refused_question_is_asked_again_only_on_demand(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    KeepGood(Scripted({"a": [Failure("refused", "content policy")]})).run(storage.step())
    again = Echo()
    assert KeepGood(again).run(storage.reset().step()).failed == 1
    assert KeepGood(again).run(storage.reset().step(), retry_rejected=True).failed == 0
    assert again.asked == ["a"]


def test_a_missing_column_is_named_before_anything_is_asked(tmp_path: Path) -> None:
    class NeedsImages(KeepGood):
        inputs = ("images",)

    judge = Echo()
    with pytest.raises(ConfigError, match="has `images`; its columns are `prompt`"):
        NeedsImages(judge).run(prompts_storage(tmp_path, ["a"]).step())
    assert judge.asked == []


def test_a_question_to_a_serving_that_was_not_given_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"asks a worker named 'worker', which .*: write KeepGood\(serving\)"):
        KeepGood().run(prompts_storage(tmp_path, ["a"]).step())


def test_a_dry_run_counts_the_questions(tmp_path: Path) -> None:
    first = prompts_storage(tmp_path, ["a", "known", "b"]).first_entry_file_name
    summary = KeepGood(Echo()).run(FileStorage(first, tmp_path / "cache", dry_run=True).step())
    assert summary.estimate is not None
    assert summary.estimate.remaining == 2

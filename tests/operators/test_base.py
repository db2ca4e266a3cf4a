"""What every operator has: its words in two languages, its servings by name, the columns of one run."""

import inspect
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataflow.core import OperatorABC
from dataflow.core.records import Answer, Request, Row, Side
from dataflow.errors import ConfigError
from dataflow.flow.summary import Summary
from dataflow.operators import core_text, core_vision
from dataflow.operators.base import Columns, OneWaveOperator
from dataflow.utils.storage import FileStorage, Step
from tests.kit.flow import column, prompts_storage, read_rows
from tests.kit.workers import Echo

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

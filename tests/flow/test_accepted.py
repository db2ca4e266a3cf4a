"""Which results of a row count as accepted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dataflow.core.records import Answer, Request, Row
from dataflow.flow.summary import Summary
from dataflow.operators.base import OneWaveOperator
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import Step
from tests.kit.flow import column, prompts_storage


def test_a_picture_given_as_a_path_counts_as_one(tmp_path: Path) -> None:
    class Draw(OneWaveOperator):
        def plan(self, row: Row, columns: Any) -> Sequence[Request]:
            return [Request(row["prompt"])]

        def merge(self, row: Row, answers: Sequence[Answer], columns: Any) -> Sequence[Row]:
            return [{**row, "picture": Path(answers[0].pictures[0].path)}]

        def run(self, storage: Step) -> Summary:
            return self.execute(storage, inputs="prompt", outputs="picture")

    step = prompts_storage(tmp_path, ["a"]).step()
    assert Draw(ScriptedWorker(save_path=tmp_path / "drawn")).run(step).accepted == 1
    assert Path(str(column(step, "picture")[0])).is_file()

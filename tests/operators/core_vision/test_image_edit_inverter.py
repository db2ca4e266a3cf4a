"""Accepted edits turned round: what comes out, what is passed over, and what puts the edit itself in doubt."""

from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.core.records import Answer, Request
from dataflow.core.worker import Worker
from dataflow.demo.checker import agree
from dataflow.demo.judge import CheckerJudge
from dataflow.demo.parsing import outcome
from dataflow.demo.writer import DemoWriter
from dataflow.errors import Failure
from dataflow.operators.core_vision import ImageEditInverter, ImageEditJudge
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows, write_rows
from tests.kit.grown import CIRCLE, SCENE, STAR, InverterBench, example_rows, recoloured


def test_an_accepted_edit_comes_out_with_its_inverse(tmp_path: Path) -> None:
    bench = InverterBench(tmp_path, [recoloured(tmp_path, kept="as it was")])
    summary = bench.run()
    forward, inverse = bench.out()
    assert (forward["relation"], forward["kept"]) == ("forward", "as it was")
    assert (inverse["relation"], inverse["parent_id"]) == ("inverse", forward["id"])
    assert (inverse["images"], inverse["edited_images"]) == (forward["edited_images"], forward["images"])
    assert inverse["sub_type"] == "recolour"
    assert inverse["edit_type"] == "drawn"
    assert inverse["verdict"]["accepted"]
    green = replace(SCENE, shapes=(replace(STAR, colour="green"), CIRCLE))
    assert agree(outcome(inverse["conversations"][0]["content"], [green]), SCENE)
    assert summary.rows == 2
    assert "kept" not in inverse


def test_instructions_are_in_every_language_of_the_row(tmp_path: Path) -> None:
    forms = [{"content": "把红色星形变成绿色", "role": "user", "language": "zh", "length": "short"}]
    bench = InverterBench(
        tmp_path, [recoloured(tmp_path, language="en", instructions=forms), recoloured(tmp_path, name="1")]
    )
    bench.run()
    _, both, _, one = bench.out()
    assert [(each["language"], each["length"]) for each in both["instructions"]] == [
        ("en", "short"),
        ("en", "long"),
        ("zh", "short"),
        ("zh", "long"),
    ]
    assert {each["language"] for each in one["instructions"]} == {"en"}
    assert both["language"] == "en"


@pytest.mark.parametrize("own", ["mine", 0])
def test_a_row_keeps_the_id_that_it_has(tmp_path: Path, own: object) -> None:
    bench = InverterBench(tmp_path, [recoloured(tmp_path, id=own)])
    bench.run()
    forward, inverse = bench.out()
    assert (forward["id"], inverse["parent_id"]) == (own, own)
    assert len(inverse["id"]) == 32


def test_a_row_of_which_nobody_answered_is_asked_again_by_the_next_run(tmp_path: Path) -> None:
    bench = InverterBench(tmp_path, [row for row, _ in example_rows(tmp_path, ("recolour",), 2)])
    writer = DemoWriter()

    def half(request: Request) -> Answer:
        is_second = Path(request.images[0]).name.startswith("1_")
        return Answer(error=Failure("failed", "nobody is there")) if is_second else writer.written(request)

    bench.run(ScriptedWorker(half))
    assert [row["relation"] for row in bench.out()] == ["forward", "inverse"]
    bench.run(ScriptedWorker(writer.written))
    assert [row["relation"] for row in bench.out()] == ["forward", "inverse"] * 2


@pytest.mark.parametrize("who", ["writer", "judge"])
def test_a_refused_inverse_loses_no_accepted_row(tmp_path: Path, who: str) -> None:
    workers: dict[str, Worker] = {"writer": DemoWriter(), "judge": CheckerJudge()}
    workers[who] = ScriptedWorker(lambda request: Answer(error=Failure("refused", "against the policy")))
    step = FileStorage(write_rows(tmp_path / "rows.jsonl", [recoloured(tmp_path)]), tmp_path / "cache").step()
    summary = ImageEditInverter(workers["writer"], ImageEditJudge(workers["judge"], canaries=False)).run(step)
    assert [row["relation"] for row in read_rows(step.target)] == ["forward"]
    assert len(read_rows(step.side("passed_over"))) == 1
    assert summary.failed == 0


def test_inverses_of_many_edits_lead_back(tmp_path: Path) -> None:
    made = example_rows(tmp_path, ("recolour", "replace", "background", "resize", "add"), 20)
    bench = InverterBench(tmp_path, [row for row, _ in made])
    bench.run()
    truth = {Path(row["edited_images"][0]).name: example for row, example in made}
    inverses = [row for row in bench.out() if row["relation"] == "inverse"]
    assert len(inverses) == 20
    for row in inverses:
        example = truth[Path(row["images"][0]).name]
        assert agree(outcome(row["conversations"][0]["content"], [example.target]), example.sources[0])

"""Accepted edits turned round: what comes out, what is passed over, and what puts the edit itself in doubt."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.records import Answer, Request, Row
from dataflow.core.worker import Worker
from dataflow.demo.checker import agree
from dataflow.demo.judge import CheckerJudge
from dataflow.demo.parsing import outcome
from dataflow.demo.writer import DemoWriter
from dataflow.errors import ConfigError, Failure
from dataflow.flow.summary import Summary
from dataflow.operators.core_vision import ImageEditInverter, ImageEditJudge
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows, write_rows
from tests.kit.grown import CIRCLE, SCENE, STAR, example_rows, judge_of, recoloured, row_of


class Bench:
    """A step of rows, turned round."""

    def __init__(self, folder: Path, rows: list[Row]) -> None:
        self.folder, self.rows = folder, rows

    def run(self, writer: Any = None, *, errs: dict[str, float] | None = None, **settings: Any) -> Summary:
        first = write_rows(self.folder / "rows.jsonl", self.rows)
        self.step = FileStorage(first, self.folder / "cache").step()
        return ImageEditInverter(writer or DemoWriter(), judge_of(**(errs or {})), **settings).run(self.step)

    def out(self, side: str = "") -> list[Row]:
        return read_rows(self.step.side(side) if side else self.step.target)


def test_an_accepted_edit_comes_out_with_its_inverse(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [recoloured(tmp_path, kept="as it was")])
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
    bench = Bench(tmp_path, [recoloured(tmp_path, language="en", instructions=forms), recoloured(tmp_path, name="1")])
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


def test_what_was_added_is_removed_and_the_other_way_round(tmp_path: Path) -> None:
    alone = replace(SCENE, shapes=(CIRCLE,))
    star = replace(SCENE, shapes=(CIRCLE, replace(STAR, x=32, y=54)))
    rows = [
        row_of(tmp_path, "add a large red star at the bottom", alone, star, operation="add"),
        row_of(tmp_path, "remove the red star", star, alone, operation="remove", name="1"),
    ]
    bench = Bench(tmp_path, rows)
    bench.run()
    assert [row["sub_type"] for row in bench.out() if row["relation"] == "inverse"] == ["remove", "add"]


def test_rows_without_an_inverse_are_passed_over_with_a_reason(tmp_path: Path) -> None:
    rows = [
        recoloured(tmp_path, verdict={"accepted": False}),
        {**recoloured(tmp_path), "images": ["0_before.png", "0_after.png"]},
        row_of(tmp_path, "remove the red star", SCENE, replace(SCENE, shapes=(CIRCLE,)), operation="remove", name="1"),
    ]
    bench = Bench(tmp_path, rows)
    summary = bench.run()
    reasons = [row["reason"] for row in bench.out("passed_over")]
    assert reasons[0] == "its edit is not accepted"
    assert reasons[1] == "it has 2 pictures and 1 edits: an inverse leads from one to one"
    assert reasons[2].startswith("the writer has no instruction for it: ")  # no name for where the star stood
    assert [row["relation"] for row in bench.out()] == ["forward", "forward"]
    assert summary.sides["passed_over"] == 3


def test_an_operation_that_teaches_damage_asks_nothing(tmp_path: Path) -> None:
    folder, row = tmp_path, {**recoloured(tmp_path), "sub_type": "restore"}
    first = write_rows(folder / "rows.jsonl", [row])
    step = FileStorage(first, folder / "cache").step()
    judge = judge_of()
    judge.taxonomy = type(judge)(judge.workers["judge"], canaries=False).taxonomy
    summary = ImageEditInverter(DemoWriter(), judge).run(step)
    assert summary.requests == 0
    assert read_rows(step.side("passed_over"))[0]["reason"] == "restore is not invertible"


@pytest.mark.parametrize("drops", [True, False])
def test_an_inverse_that_does_badly_puts_its_edit_in_doubt(tmp_path: Path, drops: bool) -> None:
    bench = Bench(tmp_path, [recoloured(tmp_path)])
    bench.run(errs={"false_reject": 1.0}, drop_doubtful=drops)
    (doubtful,), (rejected,) = bench.out("doubtful"), bench.out("rejected_inverses")
    assert [row["id"] for row in bench.out()] == ([] if drops else [doubtful["id"]])
    assert doubtful["verdict"]["accepted"]
    assert doubtful["inverse"]["verdict"]["accepted"] is False
    assert (rejected["id"], rejected["parent_id"]) == (doubtful["inverse"]["id"], doubtful["id"])


def test_another_limit_of_doubt_asks_nothing_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [recoloured(tmp_path)])
    assert bench.run(errs={"false_reject": 1.0}).requests == 3
    assert bench.run(errs={"false_reject": 1.0}, doubt_below=0).requests == 0
    assert bench.out("doubtful") == []
    assert [row["relation"] for row in bench.out()] == ["forward"]


def test_a_limit_off_the_scale_is_refused() -> None:
    with pytest.raises(ConfigError, match="doubt_below is 11"):
        ImageEditInverter(DemoWriter(), judge_of(), doubt_below=11)


@pytest.mark.parametrize("own", ["mine", 0])
def test_a_row_keeps_the_id_that_it_has(tmp_path: Path, own: object) -> None:
    bench = Bench(tmp_path, [recoloured(tmp_path, id=own)])
    bench.run()
    forward, inverse = bench.out()
    assert (forward["id"], inverse["parent_id"]) == (own, own)
    assert len(inverse["id"]) == 32


def test_a_row_of_which_nobody_answered_is_asked_again_by_the_next_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [row for row, _ in example_rows(tmp_path, ("recolour",), 2)])
    writer = DemoWriter()

    def half(request: Request) -> Answer:
        is_second = Path(request.images[0]).name.startswith("1_")
        return Answer(error=Failure("failed", "nobody is there")) if is_second else writer.written(request)

    bench.run(ScriptedWorker(half))
    assert [row["relation"] for row in bench.out()] == ["forward", "inverse"]
    bench.run(ScriptedWorker(writer.written))
    assert [row["relation"] for row in bench.out()] == ["forward", "inverse"] * 2


def test_an_inverse_is_not_turned_round_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [recoloured(tmp_path, relation="inverse", id="b", parent_id="a")])
    assert bench.run().requests == 0
    assert [row["id"] for row in bench.out()] == ["b"]
    assert bench.out("passed_over")[0]["reason"] == "it is an inverse itself"


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
    bench = Bench(tmp_path, [row for row, _ in made])
    bench.run()
    truth = {Path(row["edited_images"][0]).name: example for row, example in made}
    inverses = [row for row in bench.out() if row["relation"] == "inverse"]
    assert len(inverses) == 20
    for row in inverses:
        example = truth[Path(row["images"][0]).name]
        assert agree(outcome(row["conversations"][0]["content"], [example.target]), example.sources[0])

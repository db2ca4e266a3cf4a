"""What leads back from an edit, which rows have no inverse, and when an inverse puts its edit in doubt."""

from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.core.records import Side
from dataflow.demo.writer import DemoWriter
from dataflow.errors import ConfigError
from dataflow.judging.verdict import Verdict
from dataflow.operators.core_vision import ImageEditInverter
from dataflow.operators.core_vision.inverse import Doubt
from dataflow.operators.core_vision.related import Related
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows, write_rows
from tests.kit.grown import CIRCLE, SCENE, STAR, InverterBench, judge_of, recoloured, row_of


def test_what_was_added_is_removed_and_the_other_way_round(tmp_path: Path) -> None:
    alone = replace(SCENE, shapes=(CIRCLE,))
    star = replace(SCENE, shapes=(CIRCLE, replace(STAR, x=32, y=54)))
    rows = [
        row_of(tmp_path, "add a large red star at the bottom", alone, star, operation="add"),
        row_of(tmp_path, "remove the red star", star, alone, operation="remove", name="1"),
    ]
    bench = InverterBench(tmp_path, rows)
    bench.run()
    assert [row["sub_type"] for row in bench.out() if row["relation"] == "inverse"] == ["remove", "add"]


def test_rows_without_an_inverse_are_passed_over_with_a_reason(tmp_path: Path) -> None:
    rows = [
        recoloured(tmp_path, verdict={"accepted": False}),
        {**recoloured(tmp_path), "images": ["0_before.png", "0_after.png"]},
        row_of(tmp_path, "remove the red star", SCENE, replace(SCENE, shapes=(CIRCLE,)), operation="remove", name="1"),
    ]
    bench = InverterBench(tmp_path, rows)
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
    bench = InverterBench(tmp_path, [recoloured(tmp_path)])
    bench.run(errs={"false_reject": 1.0}, drop_doubtful=drops)
    (doubtful,), (rejected,) = bench.out("doubtful"), bench.out("rejected_inverses")
    assert [row["id"] for row in bench.out()] == ([] if drops else [doubtful["id"]])
    assert doubtful["verdict"]["accepted"]
    assert doubtful["inverse"]["verdict"]["accepted"] is False
    assert (rejected["id"], rejected["parent_id"]) == (doubtful["inverse"]["id"], doubtful["id"])


def test_another_limit_of_doubt_asks_nothing_again(tmp_path: Path) -> None:
    bench = InverterBench(tmp_path, [recoloured(tmp_path)])
    assert bench.run(errs={"false_reject": 1.0}).requests == 3
    assert bench.run(errs={"false_reject": 1.0}, doubt_below=0).requests == 0
    assert bench.out("doubtful") == []
    assert [row["relation"] for row in bench.out()] == ["forward"]


def test_a_limit_off_the_scale_is_refused() -> None:
    with pytest.raises(ConfigError, match="doubt_below is 11"):
        ImageEditInverter(DemoWriter(), judge_of(), doubt_below=11)


def test_an_inverse_is_not_turned_round_again(tmp_path: Path) -> None:
    bench = InverterBench(tmp_path, [recoloured(tmp_path, relation="inverse", id="b", parent_id="a")])
    assert bench.run().requests == 0
    assert [row["id"] for row in bench.out()] == ["b"]
    assert bench.out("passed_over")[0]["reason"] == "it is an inverse itself"


@pytest.mark.parametrize(
    ("score", "drops", "names"),
    [
        (5.0, True, ["forward", "rejected_inverses"]),
        (4.9, True, ["rejected_inverses", "doubtful"]),
        (4.9, False, ["rejected_inverses", "doubtful", "forward"]),
        (None, True, ["rejected_inverses", "doubtful"]),
    ],
)
def test_a_rejected_inverse_is_a_doubt_below_its_limit(score: float | None, drops: bool, names: list[str]) -> None:
    inverse = Related({"id": "b"}, "Make it red.", Verdict(False, score=score))
    rows = Doubt(5.0, drops).rows({"id": "a"}, inverse)
    assert [each.name if isinstance(each, Side) else "forward" for each in rows] == names


def test_an_accepted_inverse_stands_behind_its_row_whatever_its_score() -> None:
    inverse = Related({"id": "b"}, "Make it red.", Verdict(True, score=1.0))
    assert Doubt(5.0, True).rows({"id": "a"}, inverse) == [{"id": "a"}, {"id": "b"}]

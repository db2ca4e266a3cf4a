"""Sessions joined in one instruction each, and sessions of which there is none."""

from pathlib import Path

from dataflow.core.records import Answer
from dataflow.demo.checker import agree
from dataflow.demo.judge import CheckerJudge
from dataflow.demo.parsing import outcome
from dataflow.demo.writer import DemoWriter
from dataflow.errors import Failure
from dataflow.operators.core_vision import ImageEditComposer
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import write_rows
from tests.kit.grown import SCENE, drawn, judge_of
from tests.kit.sessions import SCENES, SessionBench


def test_a_session_comes_to_one_composition_of_the_turns_that_led_to_its_end(tmp_path: Path) -> None:
    bench = SessionBench(tmp_path, rows=8)
    bench.run()
    sessions = {row["id"]: row for row in bench.out()}
    bench.step = bench.storage.step()
    asked = len(bench.editor.asked)
    ImageEditComposer(DemoWriter(), judge_of()).run(bench.step)
    composed = bench.out()
    assert len(composed) > 4
    assert len(bench.editor.asked) == asked
    for row in composed:
        session = sessions[row["parent_id"]]
        assert (row["images"], row["edited_images"]) == (session["images"], session["edited_images"][-1:])
        assert (row["relation"], row["verdict"]["accepted"]) == ("composition", True)
        first = SCENES[int(Path(row["images"][0]).stem)]
        found = CheckerJudge().scene_of(row["edited_images"][0])
        assert agree(found, outcome(row["conversations"][0]["content"], [first]))


def test_a_session_that_nobody_will_compose_is_passed_over(tmp_path: Path) -> None:
    bench = SessionBench(tmp_path, rows=2)
    bench.run()
    sessions, bench.step = bench.out(), bench.storage.step()
    writer = ScriptedWorker(lambda request: Answer(error=Failure("refused", "against the policy")))
    assert ImageEditComposer(writer, judge_of()).run(bench.step).failed == 0
    assert [row["id"] for row in bench.out("passed_over")] == [row["id"] for row in sessions]


def test_a_session_that_went_back_to_its_beginning_has_no_composition(tmp_path: Path) -> None:
    edits = [drawn(tmp_path, name, SCENE) for name in ("first", "second")]
    turns = [{"instruction": f"edit {n}", "version": 1, "sub_type": "recolour"} for n in (1, 2)]
    row = {"images": [drawn(tmp_path, "source", SCENE)], "conversations": ["a", "b"], "edited_images": edits}
    rows = [{**row, "id": "x", "turns": turns}, {**row, "id": "y", "turns": [{"version": 3}]}]
    bench = SessionBench(tmp_path, rows=0)
    bench.rows = [{**each} for each in rows]
    bench.step = FileStorage(write_rows(tmp_path / "rows.jsonl", bench.rows), tmp_path / "cache").step()
    summary = ImageEditComposer(DemoWriter(), judge_of()).run(bench.step)
    (passed,) = bench.out("passed_over")
    assert passed["reason"].startswith("it went back to its beginning")
    assert (summary.requests, summary.failed) == (0, 1)

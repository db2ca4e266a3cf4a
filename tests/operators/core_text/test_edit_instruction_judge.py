"""An instruction is judged by its pictures alone: nothing is edited, and the row keeps what it has."""

import json
from pathlib import Path

from dataflow.operators.core_text import EditInstructionJudge
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import draw, read_rows, write_rows

GOOD = json.dumps({"reasoning": "one cup", "clear": 9, "possible": 8, "sides": 10})
MIRRORED = json.dumps({"reasoning": "the cup is on the left", "clear": 9, "possible": 8, "sides": 2})


def test_rows_get_a_verdict_and_what_cannot_be_read_twice_is_null(tmp_path: Path) -> None:
    picture = str(draw(tmp_path / "a.png"))
    asked = ["make the cup red", "remove the cup on the right", "nicer"]
    rows = [{"images": [picture], "conversations": each, "kept": n} for n, each in enumerate(asked)]
    storage = FileStorage(write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "cache")
    judge = ScriptedWorker([GOOD, MIRRORED, "hm", "hm"])
    summary = EditInstructionJudge(judge).run(storage.step())
    found = read_rows(storage.current.target)
    assert [row["instruction_accepted"] for row in found] == [True, False, None]
    assert found[1]["instruction_verdict"]["axes"] == {"clear": 9, "possible": 8, "sides": 2}
    assert found[1]["instruction_verdict"]["critique"] == "the cup is on the left"
    assert [row["kept"] for row in found] == [0, 1, 2]
    assert (summary.requests, summary.failed) == (4, 0)
    assert judge.asked[0].images == (picture,)
    assert judge.asked[0].labels == ("Given picture:",)
    assert "<instruction>\nmake the cup red\n</instruction>" in judge.asked[0].prompt


def test_a_run_that_asks_more_often_asks_only_about_what_was_left_unjudged(tmp_path: Path) -> None:
    rows = [{"images": [str(draw(tmp_path / "a.png"))], "conversations": each} for each in ("make it red", "nicer")]
    storage = FileStorage(write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "cache")
    EditInstructionJudge(ScriptedWorker([GOOD, "hm", "hm"])).run(storage.step())
    again = FileStorage(tmp_path / "rows.jsonl", tmp_path / "cache")
    summary = EditInstructionJudge(ScriptedWorker([GOOD]), asks=3).run(again.step())
    assert summary.requests == 1
    assert [row["instruction_accepted"] for row in read_rows(again.current.target)] == [True, True]

"""Sessions: what is said, which version is edited, what ends them; and their compositions."""

import re
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.records import Answer, Request, Row
from dataflow.demo.checker import agree
from dataflow.demo.edits import make_example
from dataflow.demo.judge import CheckerJudge
from dataflow.demo.parsing import outcome
from dataflow.demo.writer import DemoWriter
from dataflow.errors import ConfigError, Failure
from dataflow.flow.summary import Summary
from dataflow.operators.core_vision import ImageEditAcceptLoop, ImageEditComposer, ImageEditInverter, ImageEditSession
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows, write_rows
from tests.kit.grown import SCENE, WordsEditor, drawn, judge_of

SCENES = [
    each
    for each in (make_example(79, number, operation="recolour").sources[0] for number in range(30))
    if len(each.shapes) > 1
]


class Bench:
    """Pictures of the drawn world, and an editor that does what it is told."""

    def __init__(self, folder: Path, *, rows: int = 3) -> None:
        self.folder = folder
        self.rows: list[Row] = [{"images": [drawn(folder, f"{n}", scene)]} for n, scene in enumerate(SCENES[:rows])]

    def run(
        self,
        *,
        writer: Any = None,
        editor: dict[str, Any] | None = None,
        turns: Any = 3,
        gates: bool = False,
        tries: int = 2,
        **settings: Any,
    ) -> Summary:
        self.storage = FileStorage(write_rows(self.folder / "rows.jsonl", self.rows), self.folder / "cache")
        self.editor = WordsEditor(self.folder / "cache" / "edits", **(editor or {}))
        loop = ImageEditAcceptLoop(self.editor, judge_of(), gates=gates, tries=tries)
        self.step = self.storage.step()
        return ImageEditSession(writer or DemoWriter(), loop, turns=turns, **settings).run(self.step)

    def out(self, side: str = "") -> list[Row]:
        return read_rows(self.step.side(side) if side else self.step.target)


def users(row: Row) -> list[str]:
    return [each["content"] for each in row["conversations"] if each["role"] == "user"]


def test_a_session_is_a_conversation_with_a_picture_for_each_turn(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    summary = bench.run()
    rows = bench.out()
    assert (summary.accepted, len(rows)) == (3, 3)
    for row in rows:
        assert [each["role"] for each in row["conversations"]] == ["user", "assistant"] * 3
        assert {each["content"] for each in row["conversations"] if each["role"] == "assistant"} == {"<image>"}
        assert (len(row["images"]), len(row["edited_images"]), len(row["verdict"])) == (1, 3, 3)
        assert (row["relation"], row["parent_id"], len(row["id"])) == ("session", None, 32)
        assert {(each["language"], each["turn"]) for each in row["instructions"]} == {
            (language, turn) for language in ("en", "zh") for turn in (1, 2, 3)
        }


def test_each_turn_is_a_row_of_its_own_that_names_its_session(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run()
    turns = bench.out("turns")
    for row in bench.out():
        own = [each for each in turns if each["parent_id"] == row["id"]]
        assert [each["id"] for each in own] == [each["id"] for each in row["turns"]]
        versions = [*row["images"], *row["edited_images"]]
        for turn, told, edit in zip(own, row["turns"], row["edited_images"], strict=True):
            assert (turn["images"], turn["edited_images"]) == ([versions[told["version"] - 1]], [edit])
            assert turn["conversations"][0]["content"] == told["instruction"]
            assert turn["relation"] == "turn"
            assert turn["verdict"]["accepted"]


def test_turns_say_it_and_go_back_a_version(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rows=12)
    bench.run(turns=(4, 5), languages=["en"])
    said = [(words, told) for row in bench.out() for words, told in zip(users(row), row["turns"], strict=True)]
    assert any(re.search(r"\bit\b", words) for words, _ in said)
    back = [(re.match(r"go back to version (\d)", words), told) for words, told in said]
    assert [int(match[1]) for match, _ in back if match] == [told["version"] for match, told in back if match] != []
    assert {len(row["turns"]) for row in bench.out()} == {4, 5}


def test_a_turn_that_is_not_accepted_ends_the_session_with_the_turns_so_far(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rows=1)
    bench.run()
    (whole,) = bench.out()
    for kept, side, rows in ((2, "", 1), (1, "rejected", 1)):
        wrong = whole["turns"][kept]["instructions"]
        folder = tmp_path / f"{kept}"
        folder.mkdir()
        other = Bench(folder, rows=1)
        forms = [each["content"] for each in wrong]
        other.run(editor={"fails": lambda request, forms=forms: any(each in request.prompt for each in forms)})
        (row,) = other.out(side)
        assert users(row) == users(whole)[:kept]
        assert [each["edited_images"] for each in other.out("rejected_turns")] != []
        assert len(other.out()) == (rows if not side else 0)
        if side:
            assert row["reason"] == "no edit of the next turn was accepted"


def test_what_drifts_from_turn_to_turn_falls_beside_the_first_picture(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rows=6)
    bench.run(editor={"cast": 2}, gates=True)
    reasons = [row["reason"] for row in bench.out("rejected_turns") if "reason" in row]
    assert "cast: beside the first picture, what no turn asked for has changed" in reasons


def test_a_writer_without_words_ends_the_session(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rows=1)
    bench.run(writer=ScriptedWorker(lambda request: "I cannot."))
    (row,) = bench.out("rejected")
    assert row["reason"].startswith("the writer has no instruction for it: ")
    assert bench.editor.asked == []


def test_an_editor_that_is_down_fails_the_row_and_the_next_run_goes_on_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    asked = 0

    def down(request: Request) -> Answer:
        nonlocal asked
        asked += 1
        if asked == 5:
            return Answer(error=Failure("failed", "nobody is there"))
        return DemoWriter().written(request)

    assert bench.run(writer=ScriptedWorker(down, model="w")).failed == 1
    paid = len(bench.editor.asked)
    bench.run(writer=ScriptedWorker(DemoWriter().written, model="w"))
    assert len(bench.out()) == 3
    assert paid + len(bench.editor.asked) == 9


def test_a_row_without_a_picture_fails_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.rows[1:1] = [{"images": 5}, {"images": ["gone.png"]}]
    summary = bench.run()
    assert (summary.rows, summary.failed) == (5, 2)
    assert [row["relation"] for row in bench.out() if row.get("edited_images")] == ["session"] * 3


def test_a_second_run_asks_nothing_and_writes_the_same(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run()
    sides = ("", "turns", "tries", "rejected")
    before = [bench.out(side) for side in sides]
    assert bench.run().requests == 0
    assert [bench.out(side) for side in sides] == before


@pytest.mark.parametrize("turns", [1, 6, (3, 2)])
def test_so_many_turns_are_refused(turns: Any) -> None:
    loop = ImageEditAcceptLoop(ScriptedWorker(), judge_of(), gates=False)
    with pytest.raises(ConfigError, match="turns is"):
        ImageEditSession(DemoWriter(), loop, turns=turns)


def test_a_session_comes_to_one_composition_of_the_turns_that_led_to_its_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rows=8)
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


def test_a_session_that_went_back_to_its_beginning_has_no_composition(tmp_path: Path) -> None:
    edits = [drawn(tmp_path, name, SCENE) for name in ("first", "second")]
    turns = [{"instruction": f"edit {n}", "version": 1, "sub_type": "recolour"} for n in (1, 2)]
    row = {"images": [drawn(tmp_path, "source", SCENE)], "conversations": ["a", "b"], "edited_images": edits}
    rows = [{**row, "id": "x", "turns": turns}, {**row, "id": "y", "turns": [{"version": 3}]}]
    bench = Bench(tmp_path, rows=0)
    bench.rows = [{**each} for each in rows]
    bench.step = FileStorage(write_rows(tmp_path / "rows.jsonl", bench.rows), tmp_path / "cache").step()
    summary = ImageEditComposer(DemoWriter(), judge_of()).run(bench.step)
    (passed,) = bench.out("passed_over")
    assert passed["reason"].startswith("it went back to its beginning")
    assert (summary.requests, summary.failed) == (0, 1)


def test_a_session_that_nobody_will_compose_is_passed_over(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rows=2)
    bench.run()
    sessions, bench.step = bench.out(), bench.storage.step()
    writer = ScriptedWorker(lambda request: Answer(error=Failure("refused", "against the policy")))
    assert ImageEditComposer(writer, judge_of()).run(bench.step).failed == 0
    assert [row["id"] for row in bench.out("passed_over")] == [row["id"] for row in sessions]


def test_turns_are_turned_round_like_any_other_row(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run()
    bench.step = FileStorage(bench.step.side("turns"), tmp_path / "cache", file_name_prefix="inverses").step()
    ImageEditInverter(DemoWriter(), judge_of()).run(bench.step)
    turns = [row for row in bench.out() if row["relation"] == "turn"]
    inverses = [row for row in bench.out() if row["relation"] == "inverse"]
    assert len(turns) == 9
    assert {row["parent_id"] for row in inverses} <= {row["id"] for row in turns}
    assert inverses

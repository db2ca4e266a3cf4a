"""The turns of a session: how they refer to earlier ones, and what ends them."""

import re
from pathlib import Path

from dataflow.core.records import Answer, Request
from dataflow.demo.writer import DemoWriter
from dataflow.errors import Failure
from dataflow.testing import ScriptedWorker
from tests.kit.sessions import SessionBench, users


def test_turns_say_it_and_go_back_a_version(tmp_path: Path) -> None:
    bench = SessionBench(tmp_path, rows=12)
    bench.run(turns=(4, 5), languages=["en"])
    said = [(words, told) for row in bench.out() for words, told in zip(users(row), row["turns"], strict=True)]
    assert any(re.search(r"\bit\b", words) for words, _ in said)
    back = [(re.match(r"go back to version (\d)", words), told) for words, told in said]
    assert [int(match[1]) for match, _ in back if match] == [told["version"] for match, told in back if match] != []
    assert {len(row["turns"]) for row in bench.out()} == {4, 5}


def test_a_turn_that_is_not_accepted_ends_the_session_with_the_turns_so_far(tmp_path: Path) -> None:
    bench = SessionBench(tmp_path, rows=1)
    bench.run()
    (whole,) = bench.out()
    for kept, side, rows in ((2, "", 1), (1, "rejected", 1)):
        wrong = whole["turns"][kept]["instructions"]
        folder = tmp_path / f"{kept}"
        folder.mkdir()
        other = SessionBench(folder, rows=1)
        forms = [each["content"] for each in wrong]
        other.run(editor={"fails": lambda request, forms=forms: any(each in request.prompt for each in forms)})
        (row,) = other.out(side)
        assert users(row) == users(whole)[:kept]
        assert [each["edited_images"] for each in other.out("rejected_turns")] != []
        assert len(other.out()) == (rows if not side else 0)
        if side:
            assert row["reason"] == "no edit of the next turn was accepted"


def test_what_drifts_from_turn_to_turn_falls_beside_the_first_picture(tmp_path: Path) -> None:
    bench = SessionBench(tmp_path, rows=6)
    bench.run(editor={"cast": 2}, gates=True)
    reasons = [row["reason"] for row in bench.out("rejected_turns") if "reason" in row]
    assert "cast: beside the first picture, what no turn asked for has changed" in reasons


def test_a_writer_without_words_ends_the_session(tmp_path: Path) -> None:
    bench = SessionBench(tmp_path, rows=1)
    bench.run(writer=ScriptedWorker(lambda request: "I cannot."))
    (row,) = bench.out("rejected")
    assert row["reason"].startswith("the writer has no instruction for it: ")
    assert bench.editor.asked == []


def test_an_editor_that_is_down_fails_the_row_and_the_next_run_goes_on_there(tmp_path: Path) -> None:
    bench = SessionBench(tmp_path)
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

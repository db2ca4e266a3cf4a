"""Sessions: what is said, which version is edited, what ends them; and their compositions."""

from pathlib import Path
from typing import Any

import pytest

from dataflow.demo.writer import DemoWriter
from dataflow.errors import ConfigError
from dataflow.operators.core_vision import ImageEditAcceptLoop, ImageEditInverter, ImageEditSession
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.grown import judge_of
from tests.kit.sessions import SessionBench


def test_a_session_is_a_conversation_with_a_picture_for_each_turn(tmp_path: Path) -> None:
    bench = SessionBench(tmp_path)
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
    bench = SessionBench(tmp_path)
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


def test_a_row_without_a_picture_fails_alone(tmp_path: Path) -> None:
    bench = SessionBench(tmp_path)
    bench.rows[1:1] = [{"images": 5}, {"images": ["gone.png"]}]
    summary = bench.run()
    assert (summary.rows, summary.failed) == (5, 2)
    assert [row["relation"] for row in bench.out() if row.get("edited_images")] == ["session"] * 3


def test_a_second_run_asks_nothing_and_writes_the_same(tmp_path: Path) -> None:
    bench = SessionBench(tmp_path)
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


def test_turns_are_turned_round_like_any_other_row(tmp_path: Path) -> None:
    bench = SessionBench(tmp_path)
    bench.run()
    bench.step = FileStorage(bench.step.side("turns"), tmp_path / "cache", file_name_prefix="inverses").step()
    ImageEditInverter(DemoWriter(), judge_of()).run(bench.step)
    turns = [row for row in bench.out() if row["relation"] == "turn"]
    inverses = [row for row in bench.out() if row["relation"] == "inverse"]
    assert len(turns) == 9
    assert {row["parent_id"] for row in inverses} <= {row["id"] for row in turns}
    assert inverses

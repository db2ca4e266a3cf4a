"""Pairs as questions to a judge: in both orders, with a mark for each picture."""

from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.export import Format, Output, export
from dataflow.export.pair_questions import MARK, PairQuestion, holds_no_mark, pair_questions
from tests.kit.exports import STEP, cache_of, row
from tests.kit.formats import pair_of


def test_a_pair_is_asked_in_both_orders_and_both_answers_change_places(tmp_path: Path) -> None:
    asked: list[PairQuestion] = []

    def write(output: Output) -> str:
        asked.extend(each for record in output.records for each in pair_questions(output, record))
        return ""

    cache = cache_of(tmp_path / "cache", [row(tmp_path, 9)], pairs=[pair_of(tmp_path, 1, 1)])
    export(cache, [Format("duel", write, rows="pairs")], tmp_path / "out")
    first, second = asked
    assert first.asked == second.asked
    assert first.asked.count(MARK) == len(first.images) == 3
    assert (first.right, first.wrong) == (second.wrong, second.right)
    assert first.images == [second.images[0], second.images[2], second.images[1]]


def test_an_instruction_with_a_mark_of_its_own_is_refused_by_name(tmp_path: Path) -> None:
    marked = pair_of(tmp_path, 1, 1, conversations=[{"role": "user", "content": "put <image> on it"}])
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 9)], pairs=[marked])
    form = Format("duel", lambda output: "", rows="pairs", refuses=holds_no_mark("duel"))
    with pytest.raises(ConfigError, match="duel takes an instruction's <image> for a picture") as refused:
        export(cache, [form], tmp_path / "out")
    assert f"{STEP}.pairs.jsonl:1" in str(refused.value)

"""ms-swift puts a picture where its mark stands, and drops a row whose two answers are equal."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from dataflow.core.records import Row
from tests.kit.formats import check_pair_questions


def read(out: Path) -> Iterator[tuple[str, str, str, list[str]]]:
    """The lines as the trainer reads them."""
    for line in (out / "ms-swift" / "train.jsonl").read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        (asked, answer) = item["messages"]
        assert (asked["role"], answer["role"]) == ("user", "assistant")
        assert item["rejected_response"] != answer["content"]
        yield asked["content"], answer["content"], item["rejected_response"], item["images"]


def test_a_judge_is_asked_of_each_pair_in_both_orders(pairs: tuple[Path, Sequence[Row]]) -> None:
    out, rows = pairs
    check_pair_questions(list(read(out)), rows)

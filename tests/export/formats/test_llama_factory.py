"""LLaMA-Factory drops an example with a message of another role than its turn's."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from dataflow.core.records import Row
from tests.kit.formats import check_pair_questions


def read(out: Path) -> Iterator[tuple[str, str, str, list[str]]]:
    """The items as the trainer reads them, by the columns that `dataset_info.json` names."""
    folder = out / "llama-factory"
    described = json.loads((folder / "dataset_info.json").read_text())["train"]
    columns = described["columns"]
    assert (described["formatting"], described["ranking"]) == ("sharegpt", True)
    for item in json.loads((folder / described["file_name"]).read_text(encoding="utf-8")):
        (asked,) = item[columns["messages"]]
        chosen, rejected = item[columns["chosen"]], item[columns["rejected"]]
        assert (asked["from"], chosen["from"], rejected["from"]) == ("human", "gpt", "gpt")
        yield asked["value"], chosen["value"], rejected["value"], item[columns["images"]]


def test_a_judge_is_asked_of_each_pair_in_both_orders(pairs: tuple[Path, Sequence[Row]]) -> None:
    out, rows = pairs
    check_pair_questions(list(read(out)), rows)

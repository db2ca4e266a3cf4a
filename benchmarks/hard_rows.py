"""Makes rows that are hard for the demo model: phrasings outside its training, two edits in one, compositions.

Which rows these are follows from seed and number alone. They were fixed before the accept loop existed; the second
hundred is used for the final measurement alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.demo.edits import make_example
from dataflow.demo.phrases import OPERATIONS
from dataflow.demo.rows import Made, edit_row, reworded

ROWS = 100


@dataclass(frozen=True, slots=True)
class RowSet:
    """Rows of one seed, which no training and no other measurement uses.

    Args:
        seed: of all.
        operations: in turn.
    """

    seed: int
    operations: tuple[str, ...]


SETS: Mapping[str, RowSet] = {
    "hard": RowSet(5_000_011, (*OPERATIONS, "two", "compose")),
    "second hard": RowSet(5_000_077, (*OPERATIONS, "two", "compose")),
    "two and compose": RowSet(5_000_087, ("two", "compose")),
}


def made_row(of: RowSet, number: int) -> Made:
    """Row `number`, with the phrasings that training knows as its other `instructions`."""
    operation = of.operations[number % len(of.operations)]
    made = edit_row(make_example(of.seed, number, split="new_phrasing", operation=operation), f"{number}")
    made.row["instructions"] = reworded(of.seed, number, split="new_phrasing", operation=operation)
    return made


def write_rows(folder: Path, rows: Sequence[Made]) -> Path:
    """The rows' file; their pictures lie beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for made in rows:
        for name, picture in made.pictures.items():
            picture.save(folder / name)
    target = folder / "rows.jsonl"
    target.write_text("".join(json.dumps(made.row, ensure_ascii=False) + "\n" for made in rows), encoding="utf-8")
    return target

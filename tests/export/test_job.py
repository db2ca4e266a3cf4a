"""What an export came to, in words."""

from dataclasses import replace
from pathlib import Path

from dataflow.export import Exported

DONE = Exported(
    target=Path("/out"),
    source=Path("/cache/a_step1.jsonl"),
    rows=1,
    formats={"hf": 1200, "musubi": 1},
    splits={"train": 1},
    left_out={"failed": 1},
    findings={},
    table=("note: 1 row: the licence forbids selling",),
    not_judged=1,
    files={"linked": 2, "copied": 0},
    commands={"hf": "python -c ..."},
)


def test_it_says_what_was_read_left_out_and_written_and_what_trains_on_it() -> None:
    assert str(DONE).splitlines() == [
        "note: 1 row: the licence forbids selling",
        "left out: 1 row failed",
        "1 row of a_step1.jsonl; records: hf 1,200, musubi 1",
        "-> /out: 2 linked, 0 copied",
        "hf: python -c ...",
        "not judged: 1 record without a verdict",
    ]


def test_splits_are_counted_where_there_are_several_and_a_dry_run_says_that_it_wrote_nothing() -> None:
    text = str(replace(DONE, splits={"train": 1, "test": 0}, dry_run=True, not_judged=0))
    assert "train 1, test 0\n(dry run) nothing was written" in text
    assert "not judged" not in text

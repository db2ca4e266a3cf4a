"""What the checks found, as a table: errors first, how many rows of each kind, and the first five."""

from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.export import export
from dataflow.export.findings import KINDS, Findings, Kind
from tests.kit.exports import cache_of, row


def test_errors_stand_before_notes_each_with_its_rows_and_what_mends_it() -> None:
    findings = Findings()
    findings.add("small", "a.jsonl:1", "64 pixels")
    findings.add("aspect", "a.jsonl:2", "9 x 9 and 8 x 4")
    findings.add("aspect", "a.jsonl:3")
    assert findings.table() == [
        f"error: 2 rows: {KINDS['aspect'].says}",
        "    a.jsonl:2: 9 x 9 and 8 x 4",
        "    a.jsonl:3",
        f"    {KINDS['aspect'].fix}",
        f"note: 1 row: {KINDS['small'].says}",
        "    such as a.jsonl:1: 64 pixels",
    ]
    assert (findings.errors, findings.count("small"), findings.count("odd")) == ({"aspect": 2}, 1, 0)


def test_several_rows_are_added_at_once_and_a_format_declares_kinds_of_its_own() -> None:
    findings = Findings()
    findings.add_all("sale", 9, [f"a.jsonl:{number}" for number in range(5)])
    findings.declare("mine takes no masks", Kind("mine takes no masks", is_error=False))
    findings.add("mine takes no masks", "a.jsonl:1")
    assert findings.counts == {"sale": 9, "mine takes no masks": 1}
    assert findings.says("mine takes no masks") == "mine takes no masks"


def test_the_first_five_are_named(tmp_path: Path) -> None:
    rows = [row(tmp_path, number, licence="all rights reserved") for number in range(7)]
    with pytest.raises(ConfigError) as refused:
        export(cache_of(tmp_path / "cache", rows), "musubi", tmp_path / "out")
    assert str(refused.value).count("all rights reserved") == 5
    assert "error: 7 rows" in str(refused.value)

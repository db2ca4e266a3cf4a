"""A journal is read as it was written, and written as it was before."""

import json
import shutil
from pathlib import Path

from dataflow.journal.lines import decode_line, encode_line
from tests.frozen import lines


def test_a_line_is_written_again_as_it_was() -> None:
    for line in lines.LINES.read_bytes().splitlines(keepends=True):
        entry = decode_line(line)
        assert entry is not None, line
        assert encode_line(entry) == line


def test_a_journal_says_what_it_always_said(tmp_path: Path) -> None:
    (tmp_path / ".dataflow").mkdir()
    shutil.copyfile(lines.LINES, tmp_path / ".dataflow/journal.jsonl")
    expected = json.loads(lines.READ.read_text(encoding="utf-8"))
    for _ in range(2):  # without an index, and with it
        assert json.loads(json.dumps(lines.read(tmp_path))) == expected


def test_the_same_is_written_in_the_same_bytes(tmp_path: Path) -> None:
    lines.write(tmp_path)
    written = (tmp_path / ".dataflow/journal.jsonl").read_bytes().splitlines(keepends=True)
    frozen = lines.LINES.read_bytes().splitlines(keepends=True)
    assert lines.but_for_runs(written) == lines.but_for_runs(frozen)

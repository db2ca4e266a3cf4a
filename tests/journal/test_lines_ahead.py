"""Lines of a file by their offsets, whatever their length and whichever order they are asked for in."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow.journal.lines_ahead import LinesAhead

LINES = [b"short\n", b"x" * 100_000 + b"\n", b"y" * (1 << 14) + b"\n", b"last\n"]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "lines").write_bytes(b"".join(LINES))
    descriptor = os.open(tmp_path / "lines", os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def offsets() -> list[int]:
    return [sum(map(len, LINES[:number])) for number in range(len(LINES))]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1, 1)])
def test_each_line_is_whole_in_any_order(file: int, order: tuple[int, ...]) -> None:
    lines = LinesAhead(file)
    assert [lines.line(offsets()[number]) for number in order] == [LINES[number] for number in order]


def test_a_line_is_read_once_it_has_its_end(file: int) -> None:
    lines, end = LinesAhead(file), sum(map(len, LINES))
    assert lines.line(end) == b""
    os.pwrite(file, b"torn", end)
    assert lines.line(end) == b""
    os.pwrite(file, b" no more\n", end + 4)
    assert lines.line(end) == b"torn no more\n"
    assert lines.line(offsets()[-1]) == b"last\n"

"""Reading the rows of a step that still writes them: whole lines, in order, and woken when there are more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow.errors import InputError
from dataflow.flow.following import FollowingCursor, RowsSoFar
from dataflow.utils.step_writer import StepWriter


class Steps:
    """A step that writes, and the one that follows it."""

    def __init__(self, folder: Path, writer: StepWriter) -> None:
        self.writer = writer
        self.rows = RowsSoFar(folder / "step1.jsonl")
        self.rows.open(writer)
        self.wakes = 0
        self.rows.follow(self._wake)
        self.cursor = FollowingCursor(self.rows)

    def _wake(self) -> None:
        self.wakes += 1

    def show(self, *lines: bytes) -> None:
        for line in lines:
            self.writer.write_line(line)
        self.writer.flush()
        self.rows.notify()

    def taken(self, count: int = 9) -> list[tuple[int, object]]:
        return [(number, row["n"]) for number, row in self.cursor.take(count)]


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[Steps]:
    with StepWriter(tmp_path / "step1.jsonl", tmp_path / "meta.json", tmp_path, lambda name: tmp_path / name) as writer:
        steps = Steps(tmp_path, writer)
        yield steps
        steps.rows.close()


def test_whole_lines_alone_are_rows(steps: Steps) -> None:
    assert (steps.taken(), steps.cursor.grows) == ([], True)
    steps.show(b'{"n": 1}\n{"n": 2}\n{"n"')
    assert steps.taken() == [(1, 1), (2, 2)]
    steps.show(b": 3}\n")
    assert (steps.taken(), steps.cursor.position, steps.cursor.grows) == ([(3, 3)], 3, True)


def test_a_reader_is_woken_once_until_it_reads(steps: Steps) -> None:
    steps.show(b'{"n": 1}\n')
    steps.show(b'{"n": 2}\n')
    assert steps.wakes == 1
    steps.taken(1)
    steps.show(b'{"n": 3}\n')
    assert steps.wakes == 2


def test_after_the_last_row_nothing_grows_though_the_file_has_its_name(steps: Steps) -> None:
    steps.show(b'{"n": 1}\n')
    steps.writer.commit({})
    steps.rows.complete(1)
    assert (steps.rows.expected, steps.cursor.grows) == (1, True)
    assert (steps.taken(), steps.taken(), steps.cursor.grows) == ([(1, 1)], [], False)


def test_skipped_rows_are_not_parsed_and_a_broken_one_is_named(steps: Steps) -> None:
    steps.show(b"no row\n", b'{"n": 2}\n', b"no row either\n")
    steps.cursor.skip_to(1)
    assert steps.taken(1) == [(2, 2)]
    with pytest.raises(InputError, match=r"step1\.jsonl:3: "):
        steps.taken()

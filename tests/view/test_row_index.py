"""Where the rows of one file begin, and what is known of each, while the file grows or is begun anew."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dataflow.errors import InputError
from dataflow.view.row_index import CHUNK, RowIndex
from dataflow.view.shown import ShownColumns
from tests.kit.judged import STEP, row_of, verdict_of, write_rows

SHOWN = ShownColumns("images", "conversations", "edited_images")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[RowIndex]:
    with closing(RowIndex(tmp_path / f"{STEP}.jsonl", "", SHOWN)) as opened:
        yield opened


def read_all(index: RowIndex) -> RowIndex:
    while index.follow():
        pass
    return index


def test_a_file_is_read_chunk_by_chunk_to_its_last_whole_line(index: RowIndex) -> None:
    line = json.dumps({"conversations": "a", "edited_images": ["a.png"]}) + "\n"
    index.target.write_text(line * (CHUNK + 1) + line[:9])
    assert index.follow()
    assert len(index) == CHUNK
    assert not index.follow()
    assert len(index) == CHUNK + 1


def test_a_row_that_was_seen_can_be_read_after_its_file_is_gone(index: RowIndex) -> None:
    write_rows(index.target, [row_of(index.target.parent, number) for number in range(2)])
    read_all(index)
    index.target.unlink()
    assert index.row(2)["sub_type"] == "remove"
    for line in (0, 3):
        with pytest.raises(LookupError, match=f"has no line {line}"):
            index.row(line)


def test_numbers_that_no_loop_counts_are_taken_for_what_fits(index: RowIndex) -> None:
    rows = [row_of(index.target.parent, 0, verdict=verdict_of(5, tries=at)) for at in (-5, 1 << 40)]
    write_rows(index.target, rows)
    assert list(read_all(index).columns().tries) == [0, 65535]


def test_a_line_that_cannot_be_read_is_a_failed_row(index: RowIndex) -> None:
    write_rows(index.target, [row_of(index.target.parent, 0, verdict=verdict_of(9))])
    with index.target.open("ab") as file:
        file.write(b"{broken\n" + b"\xff\n" + b"[1]\n")
    columns = read_all(index).columns()
    outcomes = [columns.names["outcome"][code] for code in columns.codes["outcome"]]
    assert outcomes == ["accepted", "failed", "failed", "failed"]
    with pytest.raises(InputError):
        index.row(2)


def test_words_are_found_in_any_order_and_case_and_within_one_row_alone(index: RowIndex) -> None:
    write_rows(index.target, [row_of(index.target.parent, number) for number in range(3)])
    read_all(index)
    assert index.rows_with(["THING 1", "make"]).tolist() == [False, True, False]
    assert index.rows_with(["thing 0", "thing 1"]).tolist() == [False] * 3
    assert index.rows_with([]).tolist() == [True] * 3


def test_further_names_of_a_kind_stand_together(index: RowIndex) -> None:
    lines = [json.dumps({"sub_type": f"operation {number}", "edited_images": ["a.png"]}) for number in range(4_100)]
    index.target.write_text("\n".join(lines) + "\n")
    names = read_all(index).columns().names["operation"]
    assert (len(names), names[-1]) == (4_097, "others")


def test_the_tries_of_a_row_begin_with_its_first_one(index: RowIndex) -> None:
    tries = [
        row_of(index.target.parent, number, edited_images=[f"{number}{at}.png"], verdict=verdict_of(5) | {"try": at})
        for number in (0, 1)
        for at in range(3)
    ]
    write_rows(index.target, tries)
    read_all(index)
    assert index.tries_of("11.png") == [4, 5, 6]
    assert index.tries_of("nowhere.png") == []

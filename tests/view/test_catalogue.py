"""A catalogue finds, sorts and follows the rows of a step, and leaves its directory as it was."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.utils.storage import FileStorage
from dataflow.view.catalogue import Catalogue, Place, check_columns, choose_step, steps_in
from dataflow.view.query import Query
from dataflow.view.shown import ShownColumns
from tests.kit.judged import STEP, found, judged_cache, row_of, verdict_of, write_rows

Open = Callable[[Path], Catalogue]


@pytest.fixture
def catalogue_of() -> Iterator[Open]:
    with ExitStack() as ends:
        yield lambda folder: ends.enter_context(closing(Catalogue(folder, STEP))).read_all()


def test_rows_of_all_outcomes_are_found_and_a_failed_one_once(tmp_path: Path, catalogue_of: Open) -> None:
    catalogue = catalogue_of(judged_cache(tmp_path))
    assert len(found(catalogue)) == 9
    assert catalogue.counts()["outcome"] == {"accepted": 6, "rejected": 2, "failed": 1}
    assert found(catalogue, Query(outcome=("failed",))) == [f"{STEP}.jsonl:7"]
    assert catalogue.reason_of(Place(f"{STEP}.jsonl", 7))["reason"] == "the model would not do it"
    assert catalogue.reason_of(Place(f"{STEP}.jsonl", 1)) == {}


def test_a_failed_row_that_stands_in_the_errors_alone_is_found_there(tmp_path: Path, catalogue_of: Open) -> None:
    judged_cache(tmp_path, failed=0)
    failed = {"row": 0, "class": "row", "reason": "no picture", "fields": {"conversations": "erase it"}}
    write_rows(tmp_path / f"{STEP}.errors.jsonl", [failed])
    catalogue = catalogue_of(tmp_path)
    (place,) = catalogue.find(Query(outcome=("failed",))).places
    assert str(place) == f"{STEP}.errors.jsonl:1"
    assert catalogue.shown.instruction_of(catalogue.row(place)) == "erase it"


def test_a_page_begins_where_it_is_told(tmp_path: Path, catalogue_of: Open) -> None:
    catalogue = catalogue_of(judged_cache(tmp_path))
    every = found(catalogue)
    part = catalogue.find(Query(), 3, 2)
    assert part.total == 9
    assert [str(place) for place in part.places] == every[3:5]
    assert catalogue.find(Query(), 90, 2).places == ()


def test_the_tries_of_an_accepted_row_are_found_by_its_edit(tmp_path: Path, catalogue_of: Open) -> None:
    catalogue = catalogue_of(judged_cache(tmp_path))
    tries = catalogue.tries_of(catalogue.row(Place(f"{STEP}.jsonl", 3)))
    assert [str(place) for place in tries] == [f"{STEP}.tries.jsonl:5", f"{STEP}.tries.jsonl:6"]
    assert catalogue.tries_of({"edited_images": ["/nowhere.png"]}) == []
    assert catalogue.tries_of({}) == []


def test_tries_that_do_not_say_which_they_are_stay_few(tmp_path: Path, catalogue_of: Open) -> None:
    judged_cache(tmp_path)
    tries = [row_of(tmp_path, 0, verdict={**verdict_of(3), "try": 1}) for _ in range(300)]
    write_rows(tmp_path / f"{STEP}.tries.jsonl", tries)
    catalogue = catalogue_of(tmp_path)
    assert len(catalogue.tries_of(tries[0])) == 64


def test_a_run_is_followed_from_its_part_file_to_the_end(tmp_path: Path, catalogue_of: Open) -> None:
    part = tmp_path / f"{STEP}.jsonl.part"
    lines = [json.dumps(row_of(tmp_path, number, verdict=verdict_of(8))) + "\n" for number in range(3)]
    part.write_text(lines[0] + lines[1][:20])
    catalogue = catalogue_of(tmp_path)
    assert len(found(catalogue)) == 1, "the second line is not whole"
    with part.open("a") as file:
        file.write(lines[1][20:] + lines[2])
    catalogue.read_all()
    assert len(found(catalogue)) == 3
    part.rename(tmp_path / f"{STEP}.jsonl")
    catalogue.read_all()
    assert len(found(catalogue)) == 3
    assert catalogue.row(Place(f"{STEP}.jsonl", 2))["sub_type"] == "remove"


def test_a_step_that_is_begun_anew_is_read_anew(tmp_path: Path, catalogue_of: Open) -> None:
    judged_cache(tmp_path)
    catalogue = catalogue_of(tmp_path)
    write_rows(tmp_path / f"{STEP}.jsonl.part", [row_of(tmp_path, 40, verdict=verdict_of(9))])
    catalogue.read_all()
    assert catalogue.counts()["outcome"]["accepted"] == 1
    assert catalogue.row(Place(f"{STEP}.jsonl", 1))["conversations"][0]["content"] == "make thing 40 blue"


def test_columns_are_found_once_there_are_rows(tmp_path: Path, catalogue_of: Open) -> None:
    (tmp_path / f"{STEP}.jsonl.part").touch()
    catalogue = catalogue_of(tmp_path)
    assert catalogue.shown.edits == ""
    write_rows(tmp_path / f"{STEP}.jsonl.part", [row_of(tmp_path, 0)])
    catalogue.read_all()
    assert (catalogue.shown.images, catalogue.shown.edits) == ("images", "edited_images")
    assert catalogue.counts()["outcome"] == {"made": 1}


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_rows_of_other_kinds_of_files_are_shown_too(tmp_path: Path, catalogue_of: Open, kind: str) -> None:
    step = FileStorage(None, tmp_path, cache_type=kind).step()
    step.write([row_of(tmp_path, number) for number in range(3)])
    catalogue = catalogue_of(tmp_path)
    assert catalogue.find(Query(text="thing")).total == 3
    assert catalogue.row(Place(f"{STEP}.{kind}", 2))["edited_images"] == row_of(tmp_path, 1)["edited_images"]


def test_looking_changes_nothing_in_the_directory(tmp_path: Path, catalogue_of: Open) -> None:
    judged_cache(tmp_path)
    before = {path: os.stat(path).st_mtime_ns for path in tmp_path.rglob("*")}
    catalogue_of(tmp_path).find(Query(text="blue"))
    assert {path: os.stat(path).st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_the_step_that_was_written_last_is_chosen(tmp_path: Path) -> None:
    for name, at in (("a_step1.jsonl", 5), ("a_step2.jsonl", 9), ("judged_step1.jsonl.part", 12)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    (tmp_path / "a_step1.rejected.jsonl").touch()
    assert steps_in(tmp_path) == ["a_step1", "a_step2", "judged_step1"]
    assert choose_step(tmp_path, None) == "judged_step1"
    assert choose_step(tmp_path, 2) == "a_step2"
    with pytest.raises(ConfigError, match="no file of step 7"):
        choose_step(tmp_path, 7)
    with pytest.raises(ConfigError, match="is not there"):
        choose_step(tmp_path / "nowhere", None)


def test_a_step_that_is_begun_anew_in_the_same_file_is_read_anew(tmp_path: Path, catalogue_of: Open) -> None:
    part = tmp_path / f"{STEP}.jsonl.part"
    write_rows(part, [row_of(tmp_path, number) for number in range(3)])
    catalogue = catalogue_of(tmp_path)
    write_rows(part, [row_of(tmp_path, 10 * number) for number in range(9)])
    assert found(catalogue.read_all()) == [f"{STEP}.jsonl:{line}" for line in range(1, 10)]
    assert catalogue.row(Place(f"{STEP}.jsonl", 2))["conversations"][0]["content"] == "make thing 10 blue"


def test_of_two_kinds_of_files_the_newer_one_is_shown(tmp_path: Path, catalogue_of: Open) -> None:
    for kind, rows in (("csv", 2), ("jsonl", 3)):
        FileStorage(None, tmp_path, cache_type=kind).step().write([row_of(tmp_path, at) for at in range(rows)])
    os.utime(tmp_path / f"{STEP}.csv", (1, 1))
    assert found(catalogue_of(tmp_path)) == [f"{STEP}.jsonl:{line}" for line in (1, 2, 3)]


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / f"{STEP}.parquet").write_text("no parquet")
    with closing(Catalogue(tmp_path, STEP)) as catalogue, pytest.raises(ConfigError, match="not a parquet file"):
        catalogue.follow()


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    write_rows(tmp_path / f"{STEP}.jsonl", [row_of(tmp_path, 0)])
    check_columns(tmp_path, STEP, ["sub_type"])
    with pytest.raises(ConfigError, match=r"no column `photo`; they have `images`, `conversations`"):
        check_columns(tmp_path, STEP, ["photo"])
    check_columns(tmp_path, "another_step1", ["photo"])


def test_columns_that_are_named_are_shown(tmp_path: Path) -> None:
    row = row_of(tmp_path, 0)
    write_rows(tmp_path / f"{STEP}.jsonl", [row | {"p": row["edited_images"], "say": "by name", "v": verdict_of(9)}])
    given = ShownColumns(images="edited_images", instruction="say", edits="p", verdict="v")
    with closing(Catalogue(tmp_path, STEP, given)) as catalogue:
        assert catalogue.read_all().shown == given
        assert catalogue.counts()["outcome"] == {"accepted": 1}
        assert catalogue.find(Query(text="by name")).total == 1


def test_what_is_no_file_is_passed_over(tmp_path: Path, catalogue_of: Open) -> None:
    write_rows(tmp_path / f"{STEP}.jsonl", [row_of(tmp_path, 0)])
    os.mkfifo(tmp_path / f"{STEP}.tries.jsonl")
    (tmp_path / f"{STEP}.pairs.jsonl").mkdir()
    assert list(catalogue_of(tmp_path).indexes) == [""]

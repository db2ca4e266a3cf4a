"""Steps are followed as they grow; a file that is broken meanwhile ends nothing."""

import gc
import json
import threading
from pathlib import Path

import pytest

from dataflow.utils.storage import FileStorage
from dataflow.view.library import Library
from tests.kit.judged import STEP, row_of, write_rows


def test_a_file_that_breaks_is_told_once_and_the_others_are_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table, lines = tmp_path / f"{STEP}.csv", tmp_path / "b_step1.jsonl.part"
    FileStorage(None, tmp_path, cache_type="csv").step().write([row_of(tmp_path, 0)])
    write_rows(lines, [row_of(tmp_path, 0)])
    with Library(tmp_path) as library:
        first, second = library.catalogue(STEP), library.catalogue("b_step1")
        table.unlink()
        table.write_text("a,a\n1,2\n")
        while "several columns" not in caplog.text:
            pass
        with lines.open("a") as file:
            file.write(json.dumps(row_of(tmp_path, 1)) + "\n")
        while sum(second.counts()["outcome"].values()) != 2:
            pass
        assert caplog.text.count("several columns") == 1
        assert library.catalogue(STEP) is first


def test_the_steps_that_are_looked_at_stay_open(tmp_path: Path) -> None:
    for number in range(6):
        write_rows(tmp_path / f"a_step{number}.jsonl", [row_of(tmp_path, 0)])
    with Library(tmp_path) as library:
        first = library.catalogue("a_step0")
        for number in range(1, 6):
            library.catalogue(f"a_step{number}")
            assert library.catalogue("a_step0") is first


def test_every_file_is_closed_however_often_steps_change(tmp_path: Path) -> None:
    for number in range(6):
        write_rows(tmp_path / f"a_step{number}.jsonl", [row_of(tmp_path, 0)])
    barrier = threading.Barrier(4)

    def look(library: Library) -> None:
        for turn in range(60):
            barrier.wait(timeout=20)
            library.catalogue(f"a_step{turn % 6}")

    with Library(tmp_path) as library:
        threads = [threading.Thread(target=look, args=(library,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    gc.collect()  # a file that nobody closed warns here
    assert not [link for link in Path("/proc/self/fd").iterdir() if str(tmp_path) in _target(link)]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:  # the folder's own descriptor
        return ""

"""The index: flat in memory, the same after every rebuild, and never wrong while it is being written."""

import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow.core.records import PictureFacts
from dataflow.journal.index import ANSWERED, FAILED, Index, Place


def ids(count: int) -> list[bytes]:
    return [n.to_bytes(16, "big") for n in range(count)]


def test_entries_are_found_in_memory_while_flushed_and_from_the_file(tmp_path: Path) -> None:
    keys = ids(1200)
    index = Index(tmp_path / "index.sqlite", "j", lambda offset: b"")
    for n, key in enumerate(keys):
        index.end(key, Place(n, ANSWERED))
    expected = [Place(n, ANSWERED) for n in range(1200)]
    assert index.places(keys) == expected
    batch = index.cut()
    index.end(keys[5], Place(5000, FAILED))
    expected[5] = Place(5000, FAILED)
    assert index.places(keys) == expected
    index.write(batch, 1200)
    assert index.places(keys) == expected
    index.write(index.cut(), 5001)
    index.close()
    again = Index(tmp_path / "index.sqlite", "j", lambda offset: b"")
    assert again.places(keys) == expected
    assert again.places([b"\xff" * 16]) == [None]
    assert again.scanned == 5001
    again.close()


def test_an_answer_is_never_out_of_sight_while_another_thread_flushes(tmp_path: Path) -> None:
    index = Index(tmp_path / "index.sqlite", "j", lambda offset: b"")
    keys = ids(4000)
    known = 0
    done = threading.Event()
    lost: list[int] = []

    def look() -> None:
        while not done.is_set():
            upto = known
            if upto and None in index.places(keys[max(0, upto - 3) : upto]):
                lost.append(upto)

    reader = threading.Thread(target=look)
    reader.start()
    for n, key in enumerate(keys):
        index.end(key, Place(n, ANSWERED))
        known = n + 1
        if n % 4 == 3:
            index.write(index.cut(), n)
    done.set()
    reader.join()
    index.close()
    assert lost == []


def test_a_lookup_between_the_two_halves_of_a_cut_sees_the_entry(tmp_path: Path) -> None:
    (key,) = ids(1)

    class CutInBetween(Index):
        """Another thread cuts just before the second of the two batches is looked at."""

        def __getattribute__(self, name: str) -> object:
            value = super().__getattribute__(name)
            if name in ("_batch", "_flushing") and super().__getattribute__("__dict__").get("armed"):
                self.armed = False
                self.cut()
            return value

    index = CutInBetween(tmp_path / "index.sqlite", "j", lambda offset: b"")
    index.end(key, Place(7, ANSWERED))
    index.keep_picture("/a.png", PictureFacts(1, 2, "s", 3, 4))
    index.armed = True
    assert index.places([key]) == [Place(7, ANSWERED)]
    index.close()


def test_pictures_are_remembered_across_runs(tmp_path: Path) -> None:
    facts = PictureFacts(10, 1_700_000_000_000_000_123, "ab" * 32, 8, 6)
    index = Index(tmp_path / "index.sqlite", "j", lambda offset: b"")
    index.keep_picture("/图.png", facts)
    assert index.picture("/图.png") == facts
    index.write(index.cut(), 10)
    index.close()
    again = Index(tmp_path / "index.sqlite", "j", lambda offset: b"")
    assert again.picture("/图.png") == facts
    assert again.picture("/other.png") is None
    again.close()


def test_starts_without_an_end_are_counted_in_memory_and_in_the_file(tmp_path: Path) -> None:
    first, second, third = ids(3)
    index = Index(tmp_path / "index.sqlite", "j", lambda offset: b"")
    index.start(first)
    index.start(second)
    index.end(first, Place(1, ANSWERED))
    assert index.count_started() == 1
    index.write(index.cut(), 5)
    index.start(third)
    assert index.count_started() == 2
    index.write(index.cut(), 6)
    index.close()

    again = Index(tmp_path / "index.sqlite", "j", lambda offset: b"")
    assert again.count_started() == 2
    again.start(second)
    again.end(second, Place(7, ANSWERED))
    again.end(third, None)
    assert again.count_started() == 0
    again.write(again.cut(), 9)
    again.close()
    once_more = Index(tmp_path / "index.sqlite", "j", lambda offset: b"")
    assert once_more.count_started() == 0
    once_more.close()


def test_an_empty_batch_may_be_written(tmp_path: Path) -> None:
    index = Index(tmp_path / "index.sqlite", "j", lambda offset: b"")
    index.write(index.cut(), 3)
    assert index.scanned == 3
    index.close()


def known_after(folder: Path, then: Path, *names: str) -> list[PictureFacts | None]:
    """What the index of a cache directory knows of these files, after it was filled in `then`."""
    index = Index(folder / ".dataflow" / "index.sqlite", "j", lambda offset: b"")
    assert not index.unwritten
    found = [index.picture(str(then / name)) for name in names]
    index.close()
    return found


def cache_with_pictures(cache: Path, *paths: Path) -> PictureFacts:
    facts = PictureFacts(10, 7, "ab" * 32, 8, 6)
    (cache / ".dataflow").mkdir(parents=True)
    index = Index(cache / ".dataflow" / "index.sqlite", "j", lambda offset: b"")
    for path in paths:
        index.keep_picture(str(path), facts)
    index.write(index.cut(), 0)
    index.close()
    return facts


def test_pictures_of_a_moved_cache_are_known_at_their_new_place_and_others_at_theirs(tmp_path: Path) -> None:
    old, new = tmp_path / "图 old", tmp_path / "else" / "new"
    facts = cache_with_pictures(
        old, old / "a.png", old / "x" / "b.png", tmp_path / "input.png", tmp_path / "图 old0.png"
    )
    new.parent.mkdir()
    old.rename(new)
    for _ in range(2):
        assert known_after(new, new, "a.png", "x/b.png") == [facts, facts]
        assert known_after(new, tmp_path, "input.png", "图 old0.png", "图 old/a.png") == [facts, facts, None]


def test_pictures_beside_a_cache_move_along_with_the_folder_that_is_gone(tmp_path: Path) -> None:
    old, new = tmp_path / "project" / "runs" / "cache", tmp_path / "moved" / "runs" / "cache"
    facts = cache_with_pictures(old, tmp_path / "project" / "rows" / "a.png", tmp_path / "b.png")
    (tmp_path / "project").rename(tmp_path / "moved")
    assert known_after(new, tmp_path, "moved/rows/a.png", "b.png") == [facts, facts]


def test_a_copy_of_a_cache_knows_its_own_pictures_only(tmp_path: Path) -> None:
    old, new = tmp_path / "project" / "cache", tmp_path / "copy" / "cache"
    facts = cache_with_pictures(old, old / "a.png", tmp_path / "project" / "b.png")
    shutil.copytree(old, new)
    assert known_after(new, tmp_path, "copy/cache/a.png", "project/b.png", "copy/b.png") == [facts, facts, None]
    assert known_after(old, tmp_path, "project/cache/a.png") == [facts]


def test_what_another_index_knows_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    index = Index(tmp_path / "index.sqlite", "j", lambda offset: b"")
    facts = PictureFacts(1, 2, "ab", 3, 4)

    def damaged() -> Iterator[tuple[str, PictureFacts]]:
        yield "a.png", facts
        raise sqlite3.DatabaseError("damaged")

    with pytest.raises(sqlite3.DatabaseError):
        index.add_pictures(damaged())
    assert index.picture("a.png") is None
    index.add_pictures([("b.png", facts)])
    index.write(index.cut(), 0)
    assert index.picture("b.png") == facts
    index.close()


WRITER = """
import hashlib, sys
from pathlib import Path
from dataflow.journal.index import ANSWERED, Index, Place
index = Index(Path(sys.argv[1]), "j", lambda offset: b"")
for n in range(10**9):
    index.end(hashlib.md5(str(n).encode()).digest(), Place(n, ANSWERED))
    if n % 5000 == 4999:
        index.write(index.cut(), n + 1)
        print(n, flush=True)
"""


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(40))
def test_an_index_killed_in_a_commit_is_whole(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "index.sqlite"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(chance.randrange(5, 20)):
        process.stdout.readline()
    try:
        process.wait(timeout=chance.uniform(0.0, 0.06))
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    (scanned,) = db.execute("SELECT value FROM facts WHERE name = 'scanned'").fetchone()
    assert db.execute("SELECT count(*) FROM answers").fetchone() == (scanned,)
    db.close()

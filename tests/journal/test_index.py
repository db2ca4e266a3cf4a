"""The index: flat in memory, the same after every rebuild, and never wrong while it is being written."""

import threading
from pathlib import Path

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

"""An import: order, resuming, what is written twice (nothing), whose file `--out` is, and what fails."""

import resource
import threading
from collections.abc import Collection
from pathlib import Path

import pytest

from dataflow.errors import InputError, Interrupted, NotStored, RowError
from dataflow.ingest.fetchers import Fetcher
from dataflow.ingest.records import Broken, Bytes, Record, Records, Remote
from dataflow.ingest.run import import_rows
from tests.kit.given import Given, Host
from tests.kit.publishers import bytes_in, pairs, rows_of, tree_of, write_parquet


def test_one_picture_in_many_records_is_one_file_named_after_its_contents(tmp_path: Path) -> None:
    first, second, *_ = pairs(tmp_path)
    records = [Record(str(k), {"image": Bytes(pair.source)}) for k, pair in enumerate([first, second] * 40)]
    done = import_rows(Given(*records), tmp_path / "rows.jsonl")
    assert (done.rows, done.stored, done.known) == (80, 2, 78)
    files = [path for path in done.store.rglob("*") if path.is_file()]
    assert sorted(path.suffix for path in files) == [".jpg", ".png"]
    assert all(path.parent.name == path.stem[:2] for path in files)
    assert bytes_in(rows_of(done.target)[79]["images"]) == [second.source]


def test_rows_stand_in_the_order_of_the_records_whatever_is_fetched_first(tmp_path: Path) -> None:
    made = pairs(tmp_path)
    all_asked = threading.Barrier(len(made), timeout=60)

    class Slow(Host):
        def fetch(self, url: str) -> bytes:
            all_asked.wait()  # so they are fetched at the same time
            return super().fetch(url)

    host = Slow({f"test://{k}": pair.source for k, pair in enumerate(made)})
    done = import_rows(
        Given(*(Record(u, {"image": Remote(u)}) for u in host.pictures), fetcher=host), tmp_path / "rows.jsonl"
    )
    assert [bytes_in(row["images"]) for row in rows_of(done.target)] == [[pair.source] for pair in made]


def test_a_second_import_writes_no_file_and_asks_no_address(tmp_path: Path) -> None:
    made = pairs(tmp_path / "made")
    host = Host({f"test://{k}": pair.source for k, pair in enumerate(made)})
    records = [Record(url, {"image": Remote(url)}) for url in host.pictures]
    records += [Record("in hand", {"image": made[0].result}), Record("dead", {"image": Remote("test://dead")})]
    out = tmp_path / "out" / "rows.jsonl"
    first = import_rows(Given(*records, fetcher=host), out)
    before, asked = tree_of(out.parent), len(host.asked)
    again = import_rows(Given(*records, fetcher=host), out)
    assert tree_of(out.parent) == before
    assert host.asked[asked:] == ["test://dead"]
    assert (first.changed, again.changed, again.stored, again.rows) == (True, False, 0, 9)
    assert [row["reason"] for row in rows_of(again.errors)] == ["`images` test://dead: HTTP 404"]


def test_a_picture_that_a_killed_import_left_torn_is_written_again(tmp_path: Path) -> None:
    pair = pairs(tmp_path / "made")[0]
    done = import_rows(Given(Record("a", {"image": pair.source})), tmp_path / "rows.jsonl")
    (picture,) = (Path(path) for path in rows_of(done.target)[0]["images"])
    picture.write_bytes(pair.source[:10])
    (done.store / ".making" / "abc").write_bytes(b"torn")
    again = import_rows(Given(Record("a", {"image": pair.source})), tmp_path / "rows.jsonl")
    assert (again.stored, picture.read_bytes() == pair.source) == (1, True)
    assert list((done.store / ".making").iterdir()) == []


def test_a_dry_run_shows_first_rows_and_what_is_wrong_and_writes_nothing(tmp_path: Path) -> None:
    pair = pairs(tmp_path / "made")[0]
    records = [Record(str(k), {"image": pair.source, "words": "x"}) for k in range(120)]
    records[1] = Record("1", {"image": Remote("test://a"), "words": "x"})
    source = Given(*records[:5], Broken("b", "it is torn"), *records[5:], fetcher=Host({}))
    done = import_rows(source, tmp_path / "out" / "rows.jsonl", columns="images=image,instruction=words", dry_run=True)
    assert not (tmp_path / "out").exists()
    assert (done.rows, dict(done.failed), len(done.samples)) == (99, {"it is torn": 1}, 3)
    assert done.samples[0]["images"][0].startswith(str(done.store))
    assert done.samples[1]["images"] == ["test://a"]
    assert "(dry run) nothing was written" in str(done)


def test_limit_takes_the_first_records_and_a_full_import_goes_on(tmp_path: Path) -> None:
    made = pairs(tmp_path)
    data = write_parquet(tmp_path / "a.parquet", {"image": [pair.source for pair in made]})
    asked: list[tuple[int, int | None]] = []

    def note(done: int, of: int | None) -> None:
        asked.append((done, of))

    out = tmp_path / "rows.jsonl"
    assert import_rows(str(data), out, columns="images=image", limit=3, progress=note).stored == 3
    assert asked == [(1, 3), (2, 3), (3, 3)]
    done = import_rows(str(data), out, columns="images=image")
    assert (done.rows, done.stored, done.known) == (8, 5, 3)


def test_ctrl_c_says_how_to_go_on_and_keeps_what_is_stored(tmp_path: Path) -> None:
    first, second, *_ = pairs(tmp_path)

    class Stopped(Given):
        def records(self, names: Collection[str]) -> Records:
            yield Record("a", {"image": first.source})
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="run it again to go on"):
        import_rows(Stopped(), tmp_path / "rows.jsonl")
    assert not (tmp_path / "rows.jsonl.part").exists()
    records = (Record(name, {"image": each.source}) for name, each in (("a", first), ("b", second)))
    done = import_rows(Given(*records), tmp_path / "rows.jsonl")
    assert (done.rows, done.stored, done.known) == (2, 1, 1)


def test_what_is_fatal_ends_what_is_being_fetched(tmp_path: Path) -> None:
    class Stuck(Fetcher):
        begun, closed = threading.Event(), threading.Event()

        def fetch(self, url: str) -> bytes:
            self.begun.set()
            assert self.closed.wait(60)
            raise RowError("it was not fetched, since the import ends")

        def close(self) -> None:
            self.closed.set()

    class Torn(Given):
        def records(self, names: Collection[str]) -> Records:
            yield Record("a", {"image": Remote("test://a")})
            assert Stuck.begun.wait(60)
            raise InputError("nothing more can be read")

    with pytest.raises(InputError, match="nothing more"):
        import_rows(Torn(fetcher=Stuck()), tmp_path / "rows.jsonl")


def test_a_disk_that_takes_no_more_ends_it_with_a_sentence_and_the_next_import_goes_on(tmp_path: Path) -> None:
    small, large = (pair.source for pair in pairs(tmp_path)[:2])
    source = Given(Record("a", {"image": small}), Record("b", {"image": large + bytes(100_000)}))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        with pytest.raises(NotStored, match="File too large; free some space"):
            import_rows(source, tmp_path / "rows.jsonl")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    done = import_rows(source, tmp_path / "rows.jsonl")
    assert (done.rows, done.stored, done.known) == (2, 1, 1)
    assert list((done.store / ".making").iterdir()) == []

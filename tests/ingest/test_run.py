"""An import: order, resuming, what is written twice (nothing), whose file `--out` is, and what fails."""

import resource
import struct
import threading
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import ClassVar

import orjson
import pytest

from dataflow.core.records import JSON
from dataflow.errors import ConfigError, InputError, Interrupted, NotStored, RowError, StepFailed
from dataflow.ingest import sources
from dataflow.ingest.fetchers import Fetcher
from dataflow.ingest.records import Broken, Bytes, Local, Record, Records, Remote, Shape
from dataflow.ingest.run import import_rows
from dataflow.ingest.sources import Source
from tests.kit.publishers import bytes_in, pairs, rows_of, tree_of, write_parquet


class Given(Source):
    """Records as they are given."""

    columns = "images=image"

    def __init__(self, *records: Record | Broken, fetcher: Fetcher | None = None) -> None:
        self._records = records
        self.fetchers = {} if fetcher is None else {"test": fetcher}

    def shape(self) -> Shape:
        return {"image": "picture", "words": "text"}

    def records(self, names: Collection[str]) -> Records:
        yield from self._records


class Host(Fetcher):
    """Pictures by their addresses; what is asked is counted."""

    def __init__(self, pictures: dict[str, bytes]) -> None:
        self.pictures = pictures
        self.asked: list[str] = []

    def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.pictures:
            raise RowError("HTTP 404")
        return self.pictures[url]


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


def test_an_address_with_another_tag_is_fetched_again(tmp_path: Path) -> None:
    first, second, *_ = pairs(tmp_path)
    host = Host({"test://a": first.source})
    import_rows(Given(Record("a", {"image": Remote("test://a", "v1")}), fetcher=host), tmp_path / "rows.jsonl")
    host.pictures["test://a"] = second.source
    import_rows(Given(Record("a", {"image": Remote("test://a", "v2")}), fetcher=host), tmp_path / "rows.jsonl")
    assert bytes_in(rows_of(tmp_path / "rows.jsonl")[0]["images"]) == [second.source]


def test_a_picture_that_a_killed_import_left_torn_is_written_again(tmp_path: Path) -> None:
    pair = pairs(tmp_path / "made")[0]
    done = import_rows(Given(Record("a", {"image": pair.source})), tmp_path / "rows.jsonl")
    (picture,) = (Path(path) for path in rows_of(done.target)[0]["images"])
    picture.write_bytes(pair.source[:10])
    (done.store / ".making" / "abc").write_bytes(b"torn")
    again = import_rows(Given(Record("a", {"image": pair.source})), tmp_path / "rows.jsonl")
    assert (again.stored, picture.read_bytes() == pair.source) == (1, True)
    assert list((done.store / ".making").iterdir()) == []


def test_failed_records_are_named_and_the_others_are_rows(tmp_path: Path) -> None:
    pair = pairs(tmp_path)[0]
    records: list[Record | Broken] = [
        Record("good", {"image": pair.source, "words": "a"}),
        Broken("torn", "it ends in the middle"),
        Record("no field", {"words": "a"}),
        Record("a number", {"image": 5, "words": "a"}),
        Record("large", {"image": bytes((64 << 20) + 1), "words": "a"}),
        Record("bytes in words", {"image": pair.source, "words": b"a"}),
        Record("scheme", {"image": "gopher://a", "words": "a"}),
        Record("a bomb", {"image": bomb(), "words": "a"}),
    ]
    done = import_rows(Given(*records), tmp_path / "rows.jsonl", columns="images=image,words=words")
    assert [row["words"] for row in rows_of(done.target)] == ["a"]
    failed = {row["place"]: row["reason"] for row in rows_of(done.errors)}
    assert list(failed) == [record.place for record in records[1:]]
    assert failed["torn"] == "it ends in the middle"
    assert failed["no field"] == "`images` has no picture: its fields are empty"
    assert "more than 64 MiB" in failed["large"]
    assert failed["bytes in words"].startswith("column `words` holds a bytes")
    assert "gopher" in failed["scheme"]
    assert "more than 50 megapixels" in failed["a bomb"]


ODD = [
    "",
    "\0",
    "a\0b.png",
    "~nobody/a.png",
    "/",
    ".",
    "x" * 300,
    "x" * 5000,
    "\ud800",
    "http://",
    "http://[::1",
    "http://a/\n",
]
ODD += ["data:image/png;base64,!", "file:///etc/passwd", "//a/b", "../../a.png"]
ODDER = [
    b"",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"RIFF\0\0\0\0WEBP",
    5,
    float("nan"),
    2**80,
    {1},
    object(),
    {"bytes": 1},
]
ODDER += [
    [[None]],
    {"path": {}},
    Local(Path("/dev/null")),
    Local(Path("/")),
    Remote("x"),
    Remote("\0"),
    Bytes(b"", "\0"),
]


def test_whatever_a_field_holds_fails_its_own_record_alone(tmp_path: Path) -> None:
    class AtHome(Given):
        home = tmp_path

    odd = [Record(str(number), {"image": each}) for number, each in enumerate([*ODD, *ODDER])]
    done = import_rows(AtHome(*odd, Record("good", {"image": pairs(tmp_path)[0].source})), tmp_path / "rows.jsonl")
    assert (done.rows, done.failed.total()) == (1, len(odd))


def bomb() -> bytes:
    """A PNG that declares 10 GB of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">II5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_where_every_record_fails_the_errors_are_kept_and_no_rows_are_written(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="every record failed"):
        import_rows(Given(Broken("a", "it is torn")), tmp_path / "rows.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.errors.jsonl"]


def test_errors_of_an_earlier_import_go_once_nothing_fails(tmp_path: Path) -> None:
    good = Record("a", {"image": pairs(tmp_path)[0].source})
    done = import_rows(Given(good, Broken("b", "torn")), tmp_path / "rows.jsonl")
    assert done.errors.exists()
    import_rows(Given(good), tmp_path / "rows.jsonl")
    assert not done.errors.exists()


def test_a_file_of_somebody_else_is_not_written_over(tmp_path: Path) -> None:
    good = Record("a", {"image": pairs(tmp_path)[0].source})
    for name in ("rows.meta.json", "rows.errors.jsonl"):
        (tmp_path / name).write_text("{}\n")
        with pytest.raises(ConfigError, match=f"{name} is there already, and no import made it"):
            import_rows(Given(good), tmp_path / "rows.jsonl")
        (tmp_path / name).unlink()
    out = tmp_path / "rows.jsonl"
    out.write_text("{}\n")
    with pytest.raises(ConfigError, match="no import made it"):
        import_rows(Given(good), out)
    out.unlink()
    import_rows(Given(good), out)
    with out.open("a") as file:
        file.write("{}\n")
    with pytest.raises(ConfigError, match="was changed since it was imported"):
        import_rows(Given(good), out)
    with pytest.raises(ConfigError, match=r"ends in \.jsonl"):
        import_rows(Given(good), tmp_path / "rows.csv")


def test_two_imports_into_one_file_do_not_mix(tmp_path: Path) -> None:
    good = Record("a", {"image": pairs(tmp_path)[0].source})

    class Meanwhile(Given):
        def records(self, names: Collection[str]) -> Records:
            with pytest.raises(ConfigError, match="another import writes"):
                import_rows(Given(good), tmp_path / "rows.jsonl")
            yield good

    assert import_rows(Meanwhile(), tmp_path / "rows.jsonl").rows == 1


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


def test_what_the_rows_come_from_stands_beside_them(tmp_path: Path) -> None:
    class Told(Given):
        def facts(self) -> dict[str, str]:
            return {"revision": "abc"}

    done = import_rows(Told(Record("a", {"image": pairs(tmp_path)[0].source})), tmp_path / "rows.jsonl")
    meta = orjson.loads((tmp_path / "rows.meta.json").read_bytes())
    assert meta["facts"] == {"revision": "abc"}
    assert (meta["columns"], meta["store"]) == (["images=image"], str(done.store))


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


def test_a_source_that_brings_no_files_names_none_but_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(pairs(tmp_path)[0].source)
    for name in ("a.jpg", str(tmp_path / "a.jpg")):
        source = Given(Record("a", {"image": {"bytes": None, "path": name}}))
        with pytest.raises(StepFailed, match="this source brings none: give --root"):
            import_rows(source, tmp_path / "rows.jsonl")
        done = import_rows(source, tmp_path / "rows.jsonl", root=tmp_path)
        assert rows_of(done.target) == [{"images": [str(tmp_path / "a.jpg")]}]
        done.target.unlink()


def test_relative_paths_may_begin_at_an_address(tmp_path: Path) -> None:
    pair = pairs(tmp_path)[0]
    host = Host({"test://cdn/set/images/a%20b.png": pair.source})
    source = Given(Record("a", {"image": "images/a b.png"}), fetcher=host)
    done = import_rows(source, tmp_path / "rows.jsonl", root="test://cdn/set")
    assert bytes_in(rows_of(done.target)[0]["images"]) == [pair.source]


def test_dead_addresses_are_asked_again_unless_the_user_says_not_to(tmp_path: Path) -> None:
    picture = pairs(tmp_path)[0].source
    host = Host({"test://a": picture, "test://html": b"<html>gone</html>"})
    names = ("a", "b", "html")
    given = [Record(name, {"image": Remote(f"test://{name}")}) for name in names]
    out = tmp_path / "rows.jsonl"
    first = import_rows(Given(*given, fetcher=host), out)
    assert first.failed.total() == 2
    again = import_rows(Given(*given, fetcher=host), out, skip_dead=True)
    assert "`images` test://b: HTTP 404, when it was last asked" in again.failed
    assert sorted(host.asked) == ["test://a", "test://b", "test://html"], "each once"
    host.pictures["test://b"] = picture
    assert import_rows(Given(*given, fetcher=host), out).rows == 2
    assert import_rows(Given(*given, fetcher=host), out, skip_dead=True).rows == 2, "it is dead no more"


class Revised(Given):
    revisions: ClassVar[list[str]] = []

    def facts(self) -> dict[str, JSON]:
        return {"revision": self.revisions[-1] or "newest"}


def open_revised(given: sources.Given) -> Revised:
    Revised.revisions.append(given.revision)
    return Revised(Record("a", {"image": Local(given.one_file()), "words": "a"}))


def test_a_second_import_reads_the_revision_of_the_first(tmp_path: Path) -> None:
    picture, out = tmp_path / "a.png", tmp_path / "rows.jsonl"
    picture.write_bytes(pairs(tmp_path)[1].source)
    kind = f"{__name__}:open_revised"
    for revision in ("", "", "v2", ""):
        import_rows(str(picture), out, kind=kind, revision=revision)
    assert Revised.revisions == ["", "newest", "v2", "v2"]
    import_rows(str(tmp_path / "*.png"), out, kind=kind)
    assert Revised.revisions[-1] == "", "another source has revisions of its own"

"""One record becomes one row: its pictures are found, fetched and stored, or the record fails by name."""

import struct
import zlib
from pathlib import Path

import pytest

from dataflow.errors import StepFailed
from dataflow.ingest.records import Broken, Bytes, Local, Record, Remote
from dataflow.ingest.run import import_rows
from tests.kit.given import Given, Host
from tests.kit.publishers import bytes_in, pairs, rows_of


def test_an_address_with_another_tag_is_fetched_again(tmp_path: Path) -> None:
    first, second, *_ = pairs(tmp_path)
    host = Host({"test://a": first.source})
    import_rows(Given(Record("a", {"image": Remote("test://a", "v1")}), fetcher=host), tmp_path / "rows.jsonl")
    host.pictures["test://a"] = second.source
    import_rows(Given(Record("a", {"image": Remote("test://a", "v2")}), fetcher=host), tmp_path / "rows.jsonl")
    assert bytes_in(rows_of(tmp_path / "rows.jsonl")[0]["images"]) == [second.source]


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


ODD += ["data:image/png;base64,!", "file:///etc/passwd", "//a/b", "../../a.png"]
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

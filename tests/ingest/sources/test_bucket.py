"""Buckets of an S3 server on loopback: what lies there is read as if it lay here."""

import gzip
import io
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.errors import ConfigError
from dataflow.ingest.records import Broken, Record
from dataflow.ingest.run import import_rows
from dataflow.ingest.sources import source_of
from tests.ingest.sources.test_tar import tar
from tests.kit.drawing import draw_png, mark_of
from tests.kit.moto import put
from tests.kit.publishers import bytes_in, rows_of, tree_of

RED, BLUE, GREEN = (draw_png(mark_of(name)) for name in ("red", "blue", "green"))
pytestmark = pytest.mark.usefixtures("server")


def imported(source: str, folder: Path, columns: str = "", **flags: Any) -> list[Any]:
    done = import_rows(source, folder / "rows.jsonl", columns=columns, **flags)
    assert not done.failed
    return rows_of(folder / "rows.jsonl")


def test_a_prefix_is_a_folder_of_pictures_with_what_lies_beside_them(server: str, tmp_path: Path) -> None:
    objects = {
        "photos/set/a.png": RED,
        "photos/set/a.txt": b"ein roter\n",
        "photos/set/a.json": b'{"credit": "Ann"}',
        "photos/set/a-1.PNG": BLUE,
        "photos/set/deep er/图 #1?.png": GREEN,
        "photos/set/deep er/notes.md": b"no picture",
        "photos/set/.hidden.png": RED,
        "photos/settled/z.png": RED,
    }
    put(server, objects)
    rows = imported("s3://photos/set/", tmp_path, "images=image,caption=caption,id=name,credit=json.credit")
    assert [(row["id"], row["caption"], row["credit"]) for row in rows] == [
        ("a-1", None, None),
        ("a", "ein roter", "Ann"),
        ("deep er/图 #1?", None, None),
    ]
    assert [bytes_in(row["images"]) for row in rows] == [[BLUE], [RED], [GREEN]]
    before = tree_of(tmp_path)
    imported("s3://photos/set/", tmp_path, "images=image,caption=caption,id=name,credit=json.credit")
    assert tree_of(tmp_path) == before, "a second import touches no file"
    assert [row["images"][0] for row in imported("s3://photos", tmp_path / "all")] != []


def test_pictures_of_phones_that_are_not_read_fail_by_name(server: str) -> None:
    put(server, {"phone/a.HEIC": b"1", "phone/b.heic": b"2", "phone/b.png": RED})
    first, second = source_of("s3://phone").records(())
    assert first == Broken("s3://phone/a.HEIC", "HEIC is not read: save it as JPEG or PNG first")
    assert isinstance(second, Record)


def test_what_lies_beside_a_picture_and_cannot_be_read_fails_its_row_alone(server: str) -> None:
    put(server, {"torn/a.png": RED, "torn/a.json": b"{", "torn/b.png": BLUE, "torn/b.json": b"{}"})
    first, second = source_of("s3://torn").records(())
    assert isinstance(first, Broken)
    assert first.place == "s3://torn/a.png"
    assert isinstance(second, Record)


def test_tars_and_parquet_are_read_in_parts(server: str, tmp_path: Path) -> None:
    shards = {f"sets/s-00{n}.tar": tar((f"{n}.png", data), (f"{n}.txt", b"t")) for n, data in enumerate((RED, BLUE))}
    table = io.BytesIO()
    pictures = pa.array([GREEN, None], pa.binary())
    pq.write_table(pa.table({"source": pictures, "path": ["p/red.png", "p/none.png"], "words": ["x", "y"]}), table)
    more = {"sets/z.tar.gz": gzip.compress(tar(("z.png", GREEN))), "sets/t/p/red.png": RED}
    put(server, {**shards, **more, "sets/t/a.parquet": table.getvalue()})
    for pattern in ("s3://sets/s-*.tar", "s3://sets/s-{000..001}.tar"):
        rows = imported(pattern, tmp_path / pattern[-8:].strip("}*"), "images=image,caption=txt")
        assert [bytes_in(row["images"]) for row in rows] == [[RED], [BLUE]]
    assert bytes_in(imported("s3://sets/z.tar.gz", tmp_path / "z", "images=png")[0]["images"]) == [GREEN]
    done = import_rows("s3://sets/t/*.parquet", tmp_path / "p.jsonl", columns="images=source,edited=path,note=words")
    (row,) = rows_of(tmp_path / "p.jsonl")
    assert (bytes_in(row["images"]), bytes_in(row["edited_images"]), row["note"]) == ([GREEN], [RED], "x")
    assert "s3://sets/t/p/none.png: there is no such object" in str(done)


def test_rows_of_text_name_pictures_beside_them(server: str, tmp_path: Path) -> None:
    lines = [{"image": "p/a b.png", "words": "相对"}, {"image": "s3://texts/p/b.png", "words": "absolute"}]
    tables = {"texts/l.jsonl": b"\n".join(map(orjson.dumps, lines)), "texts/l.csv": b"image,words\np/b.png,seven\n"}
    put(server, {**tables, "texts/p/a b.png": RED, "texts/p/b.png": BLUE})
    rows = imported("s3://texts/l.jsonl", tmp_path, "images=image,instruction=words")
    assert [bytes_in(row["images"]) for row in rows] == [[RED], [BLUE]]
    assert rows[0]["conversations"] == [{"role": "user", "content": "相对"}]
    (row,) = imported("s3://texts/l.csv", tmp_path / "csv", "images=image,id=words")
    assert (bytes_in(row["images"]), row["id"]) == ([BLUE], "seven")
    assert not list(tmp_path.rglob(".import-*")), "what was downloaded is removed"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("s3://nowhere/x/", "s3://nowhere: there is no such bucket"),
        ("s3://errors/none.tar", "s3://errors/none.tar: there is no such object"),
        ("s3://errors/x-*.parquet", r"s3://errors/x-\*.parquet: there is no such object"),
        ("s3://errors/empty", r"s3://errors/empty: no picture below it \(.*\)$"),
        ("s3://errors", r"no picture below it .*; of its .tar objects say 's3://errors/\*.tar'"),
        ("s3:///x.tar", "it names no bucket: say s3://BUCKET/KEY"),
        ("az://container/x.tar", "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"),
    ],
)
def test_what_is_not_there_is_one_line(source: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        source_of(source).shape()
    assert "\n" not in str(caught.value)

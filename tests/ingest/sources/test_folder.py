"""A folder of pictures with captions beside them."""

from pathlib import Path

import pytest

from dataflow.errors import InputError
from dataflow.ingest.run import import_rows
from dataflow.ingest.sources import source_of
from tests.kit.publishers import bytes_in, pairs, rows_of


def photographs(folder: Path) -> list[str]:
    """Pictures of a folder within another, some with captions; their paths in order."""
    made = pairs(folder.parent / "made")
    names = ["b.jpg", "c.PNG", "d.png", "e.jpg", "inner/a.png", "inner/后.png", "inner/z.png", "inner/Z.webp"]
    (folder / "inner").mkdir(parents=True)
    for name, pair in zip(names, made, strict=True):
        (folder / name).write_bytes(pair.source)
    (folder / "b.txt").write_text("\ufeffa café\n", encoding="utf-8")
    (folder / "c.caption").write_text("second")
    (folder / "inner" / "a.json").write_text('{"license": "CC0", "tags": ["x"]}')
    (folder / "._b.jpg").write_bytes(b"what macOS leaves")
    (folder / "inner" / "loop").symlink_to(folder)
    order = ["b.jpg", "c.PNG", "d.png", "e.jpg", "inner/Z.webp", "inner/a.png", "inner/z.png", "inner/后.png"]
    return [str(folder / name) for name in order]


def test_pictures_come_by_name_with_what_is_written_beside_them(tmp_path: Path) -> None:
    order = photographs(tmp_path / "photos")
    done = import_rows(str(tmp_path / "photos"), tmp_path / "rows.jsonl")
    rows = rows_of(done.target)
    assert [row["images"] for row in rows] == [[path] for path in order]
    assert [row["caption"] for row in rows[:3]] == ["a café", "second", None]
    assert (done.files, done.stored, done.store.exists()) == (8, 0, False)
    assert done.next_command == f"dataflowmm instruct {done.target} --model <name>"


def test_what_lies_in_json_beside_a_picture_is_a_field(tmp_path: Path) -> None:
    photographs(tmp_path / "photos")
    asked = "images=image,licence=json.license,id=name"
    done = import_rows(str(tmp_path / "photos"), tmp_path / "rows.jsonl", columns=asked)
    licences = {row["id"]: row["licence"] for row in rows_of(done.target)}
    assert (licences["inner/a"], licences["b"]) == ("CC0", None)


def test_with_copy_they_lie_in_the_store_too(tmp_path: Path) -> None:
    order = photographs(tmp_path / "photos")
    done = import_rows(str(tmp_path / "photos"), tmp_path / "rows.jsonl", copy=True)
    rows = rows_of(done.target)
    assert [bytes_in(row["images"]) for row in rows] == [bytes_in([path]) for path in order]
    assert all(Path(row["images"][0]).is_relative_to(done.store) for row in rows)


def test_a_broken_picture_or_caption_fails_its_row_alone(tmp_path: Path) -> None:
    order = photographs(tmp_path / "photos")
    Path(order[0]).write_bytes(Path(order[0]).read_bytes()[:-300])
    Path(order[1]).write_bytes(b"<html>")
    Path(order[2]).write_bytes(b"")
    (tmp_path / "photos" / "e.txt").write_bytes(b"\xff\xfe")
    done = import_rows(str(tmp_path / "photos"), tmp_path / "rows.jsonl")
    assert done.rows == 4
    failed = [(row["place"], row["reason"].rpartition(order[0])[2][:40]) for row in rows_of(done.errors)]
    assert [place for place, _ in failed] == ["photos/b.jpg", "photos/c.PNG", "photos/d.png", "photos/e.jpg"]
    assert failed[0][1] == " is cut short"


def test_a_folder_without_pictures_says_what_to_name(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").touch()
    with pytest.raises(InputError, match=r"no picture in it .* of its .parquet files say '.*/\*.parquet'"):
        source_of(str(tmp_path))

"""Parquet as publishers write it: structs, bytes, lists, paths, None, damage."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.errors import ConfigError, InputError
from dataflow.ingest.run import import_rows
from dataflow.ingest.sources import source_of
from tests.kit.publishers import HF_IMAGE, bytes_in, hf_picture, pairs, rows_of, write_parquet


def test_structs_of_hugging_face_arrive_whole(tmp_path: Path) -> None:
    made = pairs(tmp_path)
    columns = {
        "source_image": pa.array([hf_picture(pair.source, f"{k}.png") for k, pair in enumerate(made)], HF_IMAGE),
        "edit_instruction": [pair.words for pair in made],
        "edited_image": pa.array([hf_picture(pair.result) for pair in made], HF_IMAGE),
        "license": ["CC0-1.0"] * len(made),
    }
    data = write_parquet(tmp_path / "data" / "train-00000.parquet", columns, group=3)
    asked = "images=source_image,instruction=edit_instruction,edited=edited_image,name=source_image.path"
    done = import_rows(str(data), tmp_path / "rows.jsonl", columns=asked)
    rows = rows_of(done.target)
    assert (done.rows, done.failed.total()) == (len(made), 0)
    assert [bytes_in(row["images"] + row["edited_images"]) for row in rows] == [[p.source, p.result] for p in made]
    assert [row["conversations"][0]["content"] for row in rows] == [pair.words for pair in made]
    assert {row["licence"] for row in rows} == {"CC0-1.0"}
    assert [row["name"] for row in rows] == [f"{k}.png" for k in range(len(made))]


def test_lists_of_bytes_and_nested_structs_arrive_in_order(tmp_path: Path) -> None:
    first, second, third, *_ = pairs(tmp_path)
    columns = {
        "input_images": [[first.source, second.source], [third.source]],
        "output": [{"pictures": [{"bytes": first.result, "path": None}], "prompt": "两张", "extra": {"n": 1}}] * 2,
    }
    data = write_parquet(tmp_path / "imgedit.parquet", columns)
    asked = "images=input_images,edited=output.pictures,instruction=output.prompt,n=output.extra.n"
    rows = rows_of(import_rows(str(data), tmp_path / "rows.jsonl", columns=asked).target)
    assert [bytes_in(row["images"]) for row in rows] == [[first.source, second.source], [third.source]]
    assert [row["n"] for row in rows] == [1, 1]
    assert bytes_in(rows[1]["edited_images"]) == [first.result]


def test_paths_begin_beside_the_file_or_at_the_root(tmp_path: Path) -> None:
    pair = pairs(tmp_path)[0]
    (tmp_path / "elsewhere" / "img").mkdir(parents=True)
    (tmp_path / "elsewhere" / "img" / "a.jpg").write_bytes(pair.source)
    data = write_parquet(
        tmp_path / "paths.parquet", {"image": [hf_picture(None, "img/a.jpg"), hf_picture(None, "b.jpg")]}
    )
    done = import_rows(str(data), tmp_path / "rows.jsonl", columns="images=image", root=tmp_path / "elsewhere")
    assert rows_of(done.target) == [{"images": [str(tmp_path / "elsewhere" / "img" / "a.jpg")]}]
    assert not done.store.exists()
    (failed,) = rows_of(done.errors)
    assert (failed["place"], failed["reason"].partition(" at ")[0]) == (
        "row 2 of paths.parquet",
        "`images`: no picture 'b.jpg'",
    )


def test_nulls_and_broken_pictures_are_one_failed_row_each(tmp_path: Path) -> None:
    good = pairs(tmp_path)[0].source
    bad = {"null": None, "empty": b"", "page": b"<html>404</html>", "cut": good[: len(good) // 2], "text": b"not found"}
    columns = {"image": pa.array([good, *bad.values(), good]), "words": ["a", *bad, None]}
    data = write_parquet(tmp_path / "bad.parquet", columns)
    done = import_rows(str(data), tmp_path / "rows.jsonl", columns="images=image,instruction=words")
    assert done.rows == 1
    failed = {row["place"]: row["reason"] for row in rows_of(done.errors)}
    assert list(failed) == [f"row {number} of bad.parquet" for number in range(2, 8)]
    assert list(failed.values())[:2] == ["`images` has no picture: its fields are empty"] * 2
    assert "an HTML page" in failed["row 4 of bad.parquet"]
    assert "cut short" in failed["row 5 of bad.parquet"]
    assert "`words` is null" in failed["row 7 of bad.parquet"]


def test_a_missing_column_is_one_error_before_anything_is_written(tmp_path: Path) -> None:
    data = write_parquet(tmp_path / "a.parquet", {"image": [b"1"], "meta": [{"prompt": "x"}]})
    before = sorted(tmp_path.iterdir())
    with pytest.raises(
        ConfigError, match=r"edited=result: .*a.parquet has no field `result`; it has image, meta.prompt"
    ):
        import_rows(str(data), tmp_path / "rows.jsonl", columns="images=image,edited=result")
    write_parquet(tmp_path / "b.parquet", {"image": [b"1"]})
    with pytest.raises(ConfigError, match=r"no field `meta.prompt`; it has image$"):
        import_rows(
            str(tmp_path / "*.parquet"), tmp_path / "rows.jsonl", columns="images=image,instruction=meta.prompt"
        )
    assert sorted(tmp_path.iterdir()) == [*before, tmp_path / "b.parquet"]


def test_a_damaged_group_is_one_failed_row_and_the_others_arrive(tmp_path: Path) -> None:
    made = pairs(tmp_path)
    data = write_parquet(tmp_path / "torn.parquet", {"image": [pair.source for pair in made]}, group=2)
    torn = bytearray(data.read_bytes())
    at = pq.ParquetFile(data).metadata.row_group(1).column(0).dictionary_page_offset
    torn[at : at + 60] = b"\xff" * 60
    data.write_bytes(torn)
    done = import_rows(str(data), tmp_path / "rows.jsonl", columns="images=image")
    assert done.rows == len(made) - 2
    (failed,) = rows_of(done.errors)
    assert failed["place"] == "rows 3 to 4 of torn.parquet"


def test_what_is_no_parquet_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"<html>")
    with pytest.raises(InputError, match="not a parquet file"):
        source_of(str(tmp_path / "a.parquet")).shape()

"""A picture file as an image of a record: what is damaged or another one than the run made is found."""

from pathlib import Path

import pytest
from PIL import Image

from dataflow.errors import ConfigError, RowError
from dataflow.export import export
from dataflow.export.images import Images
from dataflow.export.makers import Makers
from dataflow.export.records import MadeBy
from dataflow.journal.picture_facts import KnownPictures
from tests.kit.exports import STEP, cache_of, of_pictures, photo, row, run_edits, tree_of
from tests.kit.flow import read_rows


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n cut short", None])
def test_a_picture_that_is_damaged_or_empty_is_found(tmp_path: Path, data: bytes | None) -> None:
    whole = photo(tmp_path / "whole.png", 5).read_bytes()
    cache = cache_of(tmp_path / "cache", of_pictures("bad.png", whole[:-400] if data is None else data)(tmp_path))
    assert export(cache, "musubi", tmp_path / "out", skip=True).findings["missing"] == 1


def test_a_picture_written_over_since_the_run_is_found(tmp_path: Path) -> None:
    cache = run_edits(tmp_path, [photo(tmp_path / f"s{number}.png", number) for number in range(3)])
    rows = read_rows(cache / f"{STEP}.jsonl")
    made = Path(rows[1]["edited_images"][0])
    data = bytearray(made.read_bytes())
    data[60] ^= 255
    made.write_bytes(data)  # of the same size
    done = export(cache, "musubi", tmp_path / "out", skip=True)
    assert done.findings["changed"] == 1
    assert done.formats == {"musubi": 2}


def test_an_input_of_another_size_since_the_run_is_found(tmp_path: Path) -> None:
    sources = [photo(tmp_path / f"s{number}.png", number) for number in range(3)]
    cache = run_edits(tmp_path, sources)
    photo(sources[0], 99)
    with pytest.raises(ConfigError, match="another one now than when the row was made"):
        export(cache, "musubi", tmp_path / "out")


def test_links_of_an_earlier_export_change_no_picture(tmp_path: Path) -> None:
    cache = run_edits(tmp_path, [photo(tmp_path / f"s{number}.png", number) for number in range(3)])
    for name in ("one", "two"):
        assert export(cache, "musubi", tmp_path / name).findings.keys() == {"no_licence"}
    assert tree_of(tmp_path / "one/inputs_1") == tree_of(tmp_path / "two/inputs_1")


@pytest.mark.parametrize("kind", ["black", "small", "gone"])
def test_a_mask_that_says_nothing_is_found(tmp_path: Path, kind: str) -> None:
    mask = Image.new("L", (320, 256) if kind == "black" else (32, 32), "white" if kind == "small" else "black")
    if kind != "gone":
        mask.save(tmp_path / "mask.png")
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1), row(tmp_path, 2, mask=str(tmp_path / "mask.png"))])
    with pytest.raises(ConfigError, match=r"a picture is missing, empty or damaged\n.*mask"):
        export(cache, "ai-toolkit", tmp_path / "out")
    assert export(cache, "ai-toolkit", tmp_path / "out", skip=True).formats == {"ai-toolkit": 1}


def test_a_picture_that_no_journal_knows_is_decoded_once(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg", 1)
    with KnownPictures(tmp_path).opened() as known:
        images = Images(known, Makers(known, ()), finished=0.0)
        image = images.see(str(path), "editor", "digitalCapture").image
        assert (image.kind, image.shape, image.size) == ("jpeg", (320, 256), path.stat().st_size)
        assert (image.bake, image.by) == (None, MadeBy(source_type="digitalCapture"))
        path.unlink()
        assert images.see(str(path), "editor", "digitalCapture").image == image
        with pytest.raises(RowError, match="cannot be read"):
            images.see(str(path), "painter")

"""What of a mask reaches a model: white and black, pixel for pixel."""

import io
from pathlib import Path

import pytest
from PIL import Image

from dataflow.errors import RowError
from dataflow.io.masks import read_mask, transparent_mask
from tests.kit.masks import HALVES, SIZE


def saved(folder: Path, image: Image.Image, name: str = "mask.png") -> str:
    image.save(folder / name)
    return str(folder / name)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_a_mask_of_every_mode_is_black_and_white(tmp_path: Path, mode: str) -> None:
    deep = Image.frombytes("I;16", SIZE, bytes(level for level in HALVES.tobytes() for _ in range(2)))
    image = deep if mode == "I;16" else HALVES.convert(mode)
    read = read_mask(saved(tmp_path, image))
    assert (read.mode, read.size, read.tobytes()) == ("L", SIZE, HALVES.tobytes())


def test_grey_counts_from_the_middle(tmp_path: Path) -> None:
    image = Image.new("L", (4, 1))
    image.putdata([0, 127, 128, 255])
    assert [*read_mask(saved(tmp_path, image)).tobytes()] == [0, 0, 255, 255]


def test_a_mask_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    HALVES.save(tmp_path / "turned.png", exif=exif)
    assert read_mask(str(tmp_path / "turned.png")).size == SIZE[::-1]


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (Image.new("L", SIZE, 1), "is black all over"),
        (Image.merge("LA", (HALVES, HALVES)), "has transparent pixels"),
    ],
)
def test_a_mask_that_says_nothing_or_two_things_fails_its_row(tmp_path: Path, image: Image.Image, said: str) -> None:
    with pytest.raises(RowError, match=said):
        read_mask(saved(tmp_path, image))


def test_openais_mask_is_transparent_where_the_picture_may_change_and_reads_the_same_by_its_levels() -> None:
    mime, data = transparent_mask(HALVES)
    with Image.open(io.BytesIO(data)) as made:
        assert (mime, made.format, made.mode, made.size) == ("image/png", "PNG", "RGBA", SIZE)
        assert made.getchannel("A").tobytes() == bytes(255 - level for level in HALVES.tobytes())
        assert made.convert("L").tobytes() == HALVES.tobytes()

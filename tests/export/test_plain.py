"""Which picture files go out as they are: one upright frame of 8-bit RGB in sRGB."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from dataflow.errors import RowError
from dataflow.export.pictures import bake
from dataflow.export.plain import look_at
from dataflow.export.records import Bake
from tests.kit.awkward import wide_profile
from tests.kit.exports import photo, with_chunk, written


def turned_exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_plain_pictures_go_out_as_they_are(tmp_path: Path, ending: str) -> None:
    found = look_at(str(photo(tmp_path / f"a.{ending}", 1)))
    assert (found.is_plain, found.profile) == (True, "")


def test_a_file_is_named_by_its_content(tmp_path: Path) -> None:
    assert look_at(str(photo(tmp_path / "a.jpg", 1).rename(tmp_path / "b.png"))).kind == "jpeg"


@pytest.mark.parametrize("behind", [False, True])
def test_a_png_with_words_in_it_stays_plain_and_one_that_is_to_be_turned_does_not(
    tmp_path: Path, *, behind: bool
) -> None:
    words = with_chunk(photo(tmp_path / "a.png", 1), b"tEXt", b"prompt\0a cat", behind=behind)
    assert look_at(str(words)).is_plain
    turned = with_chunk(photo(tmp_path / "b.png", 1), b"eXIf", turned_exif(), behind=behind)
    assert not look_at(str(turned)).is_plain
    pixels = np.asarray(Image.open(photo(tmp_path / "c.png", 1)))
    with Image.open(written(tmp_path, bake(str(turned), Bake()))) as image:
        assert (np.asarray(image) == np.rot90(pixels, -1)).all()


def test_words_of_pngs_that_turn_them_are_read(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta><rdf:Description tiff:Orientation="3"/></x:xmpmeta>')
    path = photo(tmp_path / "a.png", 1, pnginfo=info)
    assert not look_at(str(path)).is_plain


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK"])
def test_other_colours_are_baked(tmp_path: Path, mode: str) -> None:
    ending = "jpg" if mode == "CMYK" else "png"
    found = look_at(str(photo(tmp_path / f"a.{ending}", 1, mode=mode)))
    assert not found.is_plain


def test_a_profile_of_srgb_is_plain_and_another_is_not(tmp_path: Path) -> None:
    from PIL import ImageCms

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert look_at(str(photo(tmp_path / "a.png", 1, icc_profile=srgb))) == look_at(str(tmp_path / "a.png"))
    assert look_at(str(tmp_path / "a.png")).is_plain
    found = look_at(str(photo(tmp_path / "b.jpg", 1, icc_profile=wide_profile())))
    assert (found.is_plain, found.profile) == (False, "other")
    assert look_at(str(photo(tmp_path / "c.jpg", 1, icc_profile=b"damaged" * 40))).profile == ""


def test_animated_pictures_and_deep_ones_are_not_plain(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert [look_at(str(tmp_path / f"a.{ending}")).is_plain for ending in ("png", "webp", "gif")] == [False] * 3


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"<svg/>", b"\xff\xd8\xff"])
def test_what_is_no_picture_is_an_error_of_its_row(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(RowError, match="picture "):
        look_at(str(tmp_path / "a.png"))

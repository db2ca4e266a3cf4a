"""Which files go out as they are, and what is made of the others."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from dataflow.errors import RowError
from dataflow.export import export
from dataflow.export.pictures import Pictures, bake, copy_file
from dataflow.export.plain import look_at
from dataflow.export.records import Bake
from dataflow.export.records import Image as Shown
from tests.kit.awkward import wide_profile
from tests.kit.exports import cache_of, photo, row


def with_chunk(path: Path, kind: bytes, data: bytes, *, behind: bool = False) -> Path:
    """A PNG with one more chunk, before its pixels or behind them."""
    whole = path.read_bytes()
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
    at = len(whole) - 12 if behind else 33
    path.write_bytes(whole[:at] + chunk + whole[at:])
    return path


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
    with Image.open(_written(tmp_path, bake(str(turned), Bake()))) as image:
        assert (np.asarray(image) == np.rot90(pixels, -1)).all()


def _written(folder: Path, data: bytes) -> Path:
    path = folder / "baked.png"
    path.write_bytes(data)
    return path


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


def test_a_profile_is_applied_where_that_is_asked_for_and_else_goes(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png", 1, icc_profile=wide_profile())
    bare = np.asarray(Image.open(path))
    kept = Image.open(_written(tmp_path, bake(str(path), Bake())))
    assert (np.asarray(kept) == bare).all()
    assert "icc_profile" not in kept.info
    seen = np.asarray(Image.open(_written(tmp_path, bake(str(path), Bake(profile=True)))))
    assert np.abs(seen.astype(int) - bare).max() > 10


def test_the_same_picture_is_baked_once_and_its_bytes_are_the_same(tmp_path: Path) -> None:
    path = str(photo(tmp_path / "a.png", 1, mode="L"))
    image = Shown(path, "ab" * 32, 1, 320, 256, "png", Bake())
    pictures = Pictures(tmp_path / "baked")
    for name in ("x.png", "y.png"):
        pictures.place(image, str(tmp_path / name))
    assert pictures.baked == 1
    assert (tmp_path / "x.png").read_bytes() == (tmp_path / "y.png").read_bytes() == pictures.read(image)
    assert bake(path, Bake()) == pictures.read(image)


def test_a_copy_is_a_file_of_its_own(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png", 1)
    copy_file(str(path), str(tmp_path / "b.png"))
    assert (tmp_path / "b.png").read_bytes() == path.read_bytes()
    assert not (tmp_path / "b.png").samefile(path)


def test_a_picture_that_went_meanwhile_is_an_error_of_its_row(tmp_path: Path) -> None:
    image = Shown(str(tmp_path / "gone.png"), "ab" * 32, 1, 320, 256, "png")
    with pytest.raises(RowError, match="gone since the export began"):
        Pictures(tmp_path / "baked").place(image, str(tmp_path / "x.png"))


def test_words_of_pngs_that_turn_them_are_read(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta><rdf:Description tiff:Orientation="3"/></x:xmpmeta>')
    path = photo(tmp_path / "a.png", 1, pnginfo=info)
    assert not look_at(str(path)).is_plain


@pytest.mark.parametrize("where", ["relative", "absolute"])
def test_a_symbolic_link_goes_out_as_the_file_that_it_leads_to(tmp_path: Path, where: str) -> None:
    """As the pictures of a snapshot of the hub are."""
    source = photo(tmp_path / "blobs/abc", 1, format="PNG")
    link = tmp_path / "snapshot/a/source.png"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../blobs/abc" if where == "relative" else source)
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 2, images=[str(link)])])
    export(cache, "ai-toolkit", tmp_path / "out")
    placed = tmp_path / "out/inputs_1/control_1/row_2.png"
    assert not placed.is_symlink()
    assert placed.samefile(source)

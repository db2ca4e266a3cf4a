"""ImageIO: what is stored, what is found again, what is refused, and what goes to an API."""

import os
import pickle
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from dataflow.errors import ConfigError, RowError
from dataflow.io import ImageIO
from dataflow.io.image import check_picture
from dataflow.utils.files import sha256_hex
from tests.kit.failing import fails
from tests.kit.flow import facts_of

ID = "ab" + "0" * 30
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
HTML = b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"


def noise(size: tuple[int, int] = (48, 32), mode: str = "RGB") -> Image.Image:
    return Image.effect_noise(size, 60).convert(mode)


def as_bytes(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def oriented(orientation: int, kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return as_bytes(noise((48, 32)), kind, exif=exif)


def test_importing_the_package_loads_neither_pillow_nor_numpy() -> None:
    code = "import dataflow.io, sys; assert not {'PIL', 'numpy'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_making_one_touches_no_disk_and_keeps_what_was_given(tmp_path: Path) -> None:
    images = ImageIO(save_path=f"{tmp_path}/made/later", format="jpeg", quality=80)
    assert (images.save_path, images.format, images.quality) == (f"{tmp_path}/made/later", "jpeg", 80)
    assert ImageIO(tmp_path).save_path == str(tmp_path)  # type: ignore[arg-type]
    assert not (tmp_path / "made").exists()
    assert pickle.loads(pickle.dumps(images)) == images


@pytest.mark.parametrize(
    "wrong", [{"format": "gif"}, {"format": "PNG"}, {"quality": 0}, {"quality": 101}, {"quality": "9"}]
)
def test_wrong_settings_say_what_to_write(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"ImageIO: \w+=.*(use|give) "):
        ImageIO(str(tmp_path), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "ext"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")])
def test_encoded_bytes_are_stored_as_they_came(tmp_path: Path, kind: str, ext: str) -> None:
    data = as_bytes(noise(), kind)
    (picture,) = ImageIO(str(tmp_path)).save(ID, [data])
    assert picture.path == f"{tmp_path}/ab/{ID}_0.{ext}"
    assert Path(picture.path).read_bytes() == data
    assert (picture.sha256, picture.size, picture.width, picture.height) == (sha256_hex(data), len(data), 48, 32)


def test_a_relative_save_path_gives_absolute_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (picture,) = ImageIO("pictures").save(ID, [noise()])
    assert Path(picture.path) == tmp_path / "pictures" / "ab" / f"{ID}_0.png"


def test_several_pictures_keep_their_order_and_the_first_is_written_last(tmp_path: Path) -> None:
    images = ImageIO(str(tmp_path))
    saved = images.save(ID, [noise((8, 8)), as_bytes(noise((9, 9)), "JPEG"), noise((10, 10))])
    assert [picture.width for picture in saved] == [8, 9, 10]
    times = [Path(picture.path).stat().st_mtime_ns for picture in saved]
    assert times == sorted(times, reverse=True)
    assert images.find(ID) == saved


def test_no_pictures_is_no_folder(tmp_path: Path) -> None:
    assert ImageIO(f"{tmp_path}/x").save(ID, []) == ()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("kind", "ext"), [("png", "png"), ("jpeg", "jpg"), ("webp", "webp")])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_a_pil_image_of_any_mode_is_encoded_in_the_format(tmp_path: Path, kind: str, ext: str, mode: str) -> None:
    (picture,) = ImageIO(str(tmp_path), format=kind).save(ID, [Image.new(mode, (5, 4))])  # type: ignore[arg-type]
    assert picture.path.endswith(f".{ext}")
    assert check_picture(picture.path)[1:] == (5, 4)


def test_an_explicit_format_reencodes_only_what_differs(tmp_path: Path) -> None:
    images, png, jpeg = ImageIO(str(tmp_path), format="png"), as_bytes(noise()), oriented(6)
    same, other = images.save(ID, [png, jpeg])
    assert Path(same.path).read_bytes() == png
    assert other.path.endswith("_1.png")
    assert (other.width, other.height) == check_picture(other.path)[1:] == (32, 48)


def bomb() -> bytes:
    return as_bytes(Image.new("1", (20_000, 10_000)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (SVG, "SVG"),
        (HTML, "HTML page"),
        (b"<!---->" * 300, "page of text"),
        (b'{"error": {}}', "JSON"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00", "HEIC"),
        *((as_bytes(noise(), kind), "no format we read") for kind in ("TIFF", "GIF", "BMP", "AVIF")),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff\xd9", "damaged|no format"),
        (b"RIFF\x00\x00\x00\x00WEBP", "damaged"),
        (bomb(), "megapixels"),
        (as_bytes(Image.new("1", (10_000, 5_001))), "10000 x 5001 pixels"),
        (bytes((64 << 20) + 1), "64 MiB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bytes_that_are_no_picture_are_asked_again_twice_and_then_refused(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    with fails("retry", match=reason) as caught:
        ImageIO(str(tmp_path)).save(ID, [as_bytes(noise()), data])
    assert (caught.value.failure.retries, caught.value.failure.refuse_after) == (2, True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("cut", [1, 2, 4, 5, 8, 11, 12, 16, 100, 0.5, 0.9])
def test_a_picture_cut_short_is_noticed_wherever_it_is_cut(tmp_path: Path, kind: str, cut: float) -> None:
    data = as_bytes(noise((64, 64)), kind)
    short = data[: -int(cut if cut >= 1 else cut * len(data))]
    with fails("retry", match="cut short"):
        ImageIO(str(tmp_path)).save(ID, [short])
    (tmp_path / "a.png").write_bytes(short)
    with pytest.raises(RowError, match=r"picture .*a\.png is .*cut short"):
        check_picture(str(tmp_path / "a.png"))


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    images = ImageIO(f"{tmp_path}/x")
    assert images.find(ID) == ()
    images.save("ab" + "1" * 30, [noise()])
    assert images.find(ID) == ()


def test_a_set_without_its_first_or_with_a_damaged_picture_is_not_found(tmp_path: Path) -> None:
    images = ImageIO(str(tmp_path))
    first, second = images.save(ID, [noise(), noise()])
    whole = Path(second.path).read_bytes()
    Path(second.path).write_bytes(whole[:-9])
    assert images.find(ID) == ()
    Path(second.path).write_bytes(whole)
    assert images.find(ID) == (first, second)
    Path(first.path).unlink()
    assert images.find(ID) == ()


def test_a_shorter_answer_leaves_no_picture_of_an_earlier_attempt(tmp_path: Path) -> None:
    images = ImageIO(str(tmp_path))
    first = images.save(ID, [as_bytes(noise(), "JPEG"), noise(), noise()])[0]
    Path(first.path).unlink()
    saved = images.save(ID, [noise()])
    assert images.find(ID) == saved
    assert [path.name for path in (tmp_path / "ab").iterdir()] == [f"{ID}_0.png"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_plain_file_goes_to_an_api_byte_for_byte(tmp_path: Path, kind: str, mode: str) -> None:
    data = as_bytes(noise(mode=mode), kind)
    (tmp_path / "a.misnamed").write_bytes(data)
    images = ImageIO(str(tmp_path))
    assert images.encoded(str(tmp_path / "a.misnamed")) == (f"image/{kind.lower()}", data)


def sixteen_bit_rgb() -> bytes:
    import struct
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    row = zlib.compress(b"\x00" + struct.pack(">6H", 65535, 0, 32768, 257, 514, 771))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b"")


def animation(kind: str) -> bytes:
    return as_bytes(noise(), kind, save_all=True, append_images=[noise(), noise()])


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (as_bytes(noise(mode="P")), "image/png"),
        (as_bytes(noise(mode="RGBA")), "image/png"),
        (as_bytes(noise(mode="LA")), "image/png"),
        (as_bytes(noise(), "GIF"), "image/png"),
        (as_bytes(noise(), "BMP"), "image/png"),
        (as_bytes(noise(), "TIFF"), "image/png"),
        (as_bytes(noise(), "AVIF"), "image/png"),
        (as_bytes(noise(mode="CMYK"), "JPEG"), "image/jpeg"),
        (oriented(6), "image/jpeg"),
        (oriented(3, "PNG"), "image/png"),
        (oriented(8, "WEBP"), "image/png"),
        (animation("PNG"), "image/png"),
        (animation("WEBP"), "image/png"),
        (sixteen_bit_rgb(), "image/png"),
    ],
)
def test_what_some_api_refuses_is_encoded_once(tmp_path: Path, data: bytes, mime: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    images = ImageIO(str(tmp_path))
    got, made = images.encoded(str(path))
    assert got == mime
    with Image.open(BytesIO(made)) as sent:
        assert (sent.mode, getattr(sent, "n_frames", 1), sent.size) == ("RGB", 1, images.read(str(path)).size)
        assert not sent.getexif()
    assert images.encoded(str(path))[1] is made


def test_a_changed_file_is_encoded_again(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    noise((8, 8)).save(path)
    first = ImageIO(str(tmp_path)).encoded(str(path))
    noise((9, 9)).save(path)
    assert ImageIO(str(tmp_path)).encoded(str(path)) != first


def test_another_picture_of_the_same_size_and_time_is_encoded_again(tmp_path: Path) -> None:
    path, images = tmp_path / "a.bmp", ImageIO(str(tmp_path))
    noise((8, 8)).save(path)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    first = images.encoded(str(path))
    noise((8, 8)).save(path)
    os.utime(path, ns=times)
    assert images.encoded(str(path)) != first


@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_only_the_picture_that_a_request_was_made_of_is_given_to_a_model(tmp_path: Path, kind: str) -> None:
    path, images = tmp_path / f"a.{kind}", ImageIO(str(tmp_path))
    noise((8, 8)).save(path)
    facts, content = facts_of(path), path.read_bytes()
    sent, seen = images.encoded(str(path), facts), images.read(str(path), facts)
    path.unlink()
    path.write_bytes(content)
    assert (images.encoded(str(path), facts), images.read(str(path), facts)) == (sent, seen), "the same in another file"
    noise((8, 8)).save(path)
    for look in (images.read, images.encoded):
        look(str(path))
        with pytest.raises(RowError, match=r"picture .*/a\.\w+ changed while the step ran: run it again"):
            look(str(path), facts)


def test_a_good_picture_is_checked_with_its_digest_and_its_shown_size(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(oriented(6))
    assert check_picture(str(tmp_path / "a.jpg")) == (
        sha256_hex(oriented_bytes := (tmp_path / "a.jpg").read_bytes()),
        32,
        48,
    )
    assert oriented_bytes


@pytest.mark.parametrize(
    ("data", "reason"),
    [(None, "does not exist"), (b"", "is empty"), (SVG, "is an SVG"), (HTML, "HTML"), (bomb(), "megapixels")],
    ids=["missing", "empty", "svg", "html", "bomb"],
)
def test_a_bad_input_is_a_row_error_naming_the_path(tmp_path: Path, data: bytes | None, reason: str) -> None:
    path = tmp_path / "it.png"
    if data is not None:
        path.write_bytes(data)
    images = ImageIO(str(tmp_path))
    for look in (check_picture, images.read, images.encoded):
        with pytest.raises(RowError, match=rf"picture .*it\.png .*{reason}"):
            look(str(path))


@pytest.mark.parametrize("path", ["/", "/etc/hostname/x", "nul\0byte", "n" * 300])
def test_a_path_that_is_no_file_is_a_row_error(path: str) -> None:
    with pytest.raises(RowError, match=r"cannot be read|does not exist"):
        check_picture(path)

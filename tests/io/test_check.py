"""Pictures checked whole: what passes without being decoded is what Pillow passes, too."""

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from PIL import Image, PngImagePlugin

from dataflow.io.check import checked_size, is_whole_png
from dataflow.io.decode import REPLY_FORMATS, BadPicture, decode
from dataflow.io.encode import rgb_png

SIZE = (13, 7)
AROUND = 12


def noise(mode: str, size: tuple[int, int] = SIZE) -> Image.Image:
    rgb = Image.frombytes("RGB", size, random.Random(mode).randbytes(size[0] * size[1] * 3))
    return rgb.quantize(11) if mode == "P" else rgb.convert(mode)


def png(image: Image.Image, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += AROUND + length


def rebuilt(parts: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)


def with_lines(lines: bytes, *, size: tuple[int, int] = SIZE, header: bytes = b"\x08\x02\x00\x00\x00") -> bytes:
    """An RGB PNG whose compressed data are these, each checksum right."""
    head = struct.pack(">II", *size) + header
    return rebuilt([(b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")])


def passes(check: Callable[[bytes, tuple[str, ...]], object], data: bytes) -> bool:
    try:
        check(data, REPLY_FORMATS)
    except BadPicture:
        return False
    return True


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
def test_plain_pngs_of_every_colour_type_are_known_to_be_whole(mode: str) -> None:
    data = png(noise(mode) if mode != "I;16" else noise("L").convert("I").convert("I;16"))
    assert is_whole_png(data)
    assert checked_size(data, REPLY_FORMATS) == SIZE


def test_a_large_png_in_many_or_in_one_piece_is_known_to_be_whole() -> None:
    image = noise("RGB", (640, 480))
    in_one = rgb_png(image)
    (_, head), *_ = chunks(in_one)
    packed = b"".join(data for kind, data in chunks(in_one) if kind == b"IDAT")
    pieces = [(b"IDAT", packed[at : at + 8192]) for at in range(0, len(packed), 8192)]
    in_many = rebuilt([(b"IHDR", head), *pieces, (b"IDAT", b""), (b"IEND", b"")])
    assert len(pieces) > 50
    for data in (in_one, in_many, png(image)):
        assert is_whole_png(data)
        assert not is_whole_png(data[: len(data) // 2])


def test_no_damage_passes_that_pillow_finds() -> None:
    data = png(noise("RGB"))
    cut = [data[:end] for end in range(len(data))]
    changed = [data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :] for at in range(len(data)) for bit in (1, 16, 128)]
    assert not any(is_whole_png(each) for each in cut)
    assert [each for each in changed if is_whole_png(each) and not passes(decode, each)] == []
    assert [each for each in [*cut, *changed] if passes(checked_size, each) != passes(decode, each)] == []


def test_damage_under_a_right_checksum_is_found() -> None:
    parts = list(chunks(png(noise("RGB"))))
    at = [kind for kind, _ in parts].index(b"IDAT")
    packed = parts[at][1]
    for place in range(len(packed)):
        for bit in (1, 8, 64):
            damaged = packed[:place] + bytes([packed[place] ^ bit]) + packed[place + 1 :]
            data = rebuilt([*parts[:at], (b"IDAT", damaged), *parts[at + 1 :]])
            assert not is_whole_png(data) or passes(decode, data)
    for end in range(len(packed)):
        assert not is_whole_png(rebuilt([*parts[:at], (b"IDAT", packed[:end]), *parts[at + 1 :]]))


def test_lines_that_lack_are_too_many_or_have_no_filter_are_not_known_to_be_whole() -> None:
    line = b"\x00" + bytes(3 * SIZE[0])
    lines = line * SIZE[1]
    assert is_whole_png(with_lines(lines))
    assert not is_whole_png(with_lines(lines[:-1]))
    assert not is_whole_png(with_lines(lines + b"\x00"))
    for number in range(SIZE[1]):
        at = number * len(line)
        assert not is_whole_png(with_lines(lines[:at] + b"\x05" + lines[at + 1 :]))
        assert is_whole_png(with_lines(lines[: at + 1] + b"\x05" + lines[at + 2 :]))


def test_what_is_out_of_the_ordinary_is_left_to_pillow() -> None:
    line = b"\x00" + bytes(3 * SIZE[0])
    parts = list(chunks(with_lines(line * SIZE[1])))
    unusual = {
        "interlaced": with_lines(line * SIZE[1], header=b"\x08\x02\x00\x00\x01"),
        "bits that the colour type does not have": with_lines(line * SIZE[1], header=b"\x04\x02\x00\x00\x00"),
        "no such colour type": with_lines(line * SIZE[1], header=b"\x08\x05\x00\x00\x00"),
        "no palette": with_lines((b"\x00" + bytes(SIZE[0])) * SIZE[1], header=b"\x08\x03\x00\x00\x00"),
        "animated": rebuilt([parts[0], (b"acTL", struct.pack(">II", 1, 0)), *parts[1:]]),
        "turned behind its pixels": rebuilt([*parts[:2], (b"eXIf", Image.Exif().tobytes()), parts[2]]),
        "no end": rebuilt(parts[:2]),
        "no pixels": rebuilt([parts[0], parts[2]]),
        "no header": rebuilt(parts[1:]),
        "a short header": rebuilt([(b"IHDR", parts[0][1][:12]), *parts[1:]]),
    }
    assert [name for name, data in unusual.items() if is_whole_png(data)] == []


def test_a_png_turned_by_its_header_has_its_size_as_shown() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    xmp = PngImagePlugin.PngInfo()
    xmp.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    for data in (png(noise("RGB"), exif=turned), png(noise("RGB"), pnginfo=xmp)):
        assert is_whole_png(data) == (data.index(b"IDAT") > max(data.find(b"eXIf"), data.find(b"iTXt")))
        assert checked_size(data, REPLY_FORMATS) == SIZE[::-1]


def test_other_formats_are_decoded() -> None:
    for kind in ("JPEG", "WEBP"):
        file = BytesIO()
        noise("RGB", (64, 48)).save(file, kind)
        assert checked_size(file.getvalue(), REPLY_FORMATS) == (64, 48)
        with pytest.raises(BadPicture):
            checked_size(file.getvalue()[:-200], REPLY_FORMATS)


def test_a_png_of_too_many_pixels_is_refused_before_it_is_inflated() -> None:
    with pytest.raises(BadPicture, match="megapixels"):
        checked_size(with_lines(b"", size=(20_000, 20_000)), REPLY_FORMATS)

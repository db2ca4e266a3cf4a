"""Eight rows whose pictures and words loaders of trainers are known to lose, and what each must come to.

What is expected is worked out here from the drawing itself, with numpy and Pillow alone, and not by what is tested.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataflow.core.records import Row
from tests.kit.exports import cache_of

Pixels = NDArray[np.uint8]
GAMMA = 2.2
# Columns are the colours of red, green and blue in XYZ, adapted to D50. Source: the profiles of Apple and of the ICC.
P3 = np.array([[0.51512, 0.29198, 0.1571], [0.2412, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.7141]])
SIZE = (96, 64)
WORDS = (
    "turn the sky red",
    'write "open" and \'shut\' on the doors, in ""quotes""',
    "first line\nsecond line",
    "007",
    "把招牌上的字改成“开门大吉”",
    "keep the comma, the semicolon; and the tab\tas they are",
    "make it 5% brighter {not a field} \\n",
    "null",
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a loader must read of one row.

    Args:
        words: its instruction, on one line.
        inputs: pixels of its inputs, in order.
        edited: pixels of its result.
    """

    words: str
    inputs: Sequence[Pixels]
    edited: Pixels


def awkward_cache(folder: Path) -> tuple[Path, list[Expected]]:
    """A cache directory with the eight rows, in this order: EXIF, alpha, grey, CMYK, 16 bit, colour profile, palette
    in a folder of a Chinese name, WEBP; with 1, 2, 3, 4 and four times 1 input."""
    pictures = folder / "pictures"
    awkward = [
        _turned(pictures / "turned.jpg", 1),
        _transparent(pictures / "transparent.png", 2),
        _grey(pictures / "grey.png", 3),
        _cmyk(pictures / "cmyk.jpg", 4),
        _deep(pictures / "deep.png", 5),
        _profiled(pictures / "profiled.png", 6),
        _palette(pictures / "图片 夹" / "调色 板's.png", 7),
        _plain(pictures / "plain.webp", 8),
    ]
    rows: list[Row] = []
    expected = []
    for number, (path, pixels) in enumerate(awkward):
        further = [_plain(pictures / f"more_{number}_{k}.jpg", 100 * number + k) for k in range(min(number, 3) % 4)]
        further = further if number < 4 else []
        result = _profiled(pictures / f"edit_{number}.png", 50 + number) if number == 5 else None
        edited, made = result or _plain(pictures / f"edit_{number}.png", 50 + number)
        inputs = [(path, pixels), *further]
        words = WORDS[number]
        identity = {3: "007", 4: "第五行"}.get(number, f"row_{number}")
        rows.append(
            {
                "id": identity,
                "images": [str(each) for each, _ in inputs],
                "conversations": [{"role": "user", "content": words}],
                "edited_images": [str(edited)],
                "verdict": {"accepted": True, "score": 9.0},
            }
        )
        expected.append(Expected(" ".join(words.split()), [each for _, each in inputs], made))
    return cache_of(folder / "cache", rows), expected


def _drawing(seed: int, size: tuple[int, int] = SIZE) -> Pixels:
    random = np.random.default_rng(seed)
    corners = Image.fromarray(random.integers(0, 256, (3, 4, 3), dtype=np.uint8))
    return np.asarray(corners.resize(size, Image.Resampling.BICUBIC))


def _saved(path: Path, image: Image.Image, **saving: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **saving)  # type: ignore[arg-type]  # Pillow's own keywords
    return path


def _read(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _plain(path: Path, seed: int) -> tuple[Path, Pixels]:
    saved = _saved(path, Image.fromarray(_drawing(seed)), quality=95)
    return saved, _read(saved)


def _turned(path: Path, seed: int) -> tuple[Path, Pixels]:
    """A JPEG that lies on its side, to be turned by 90 degrees clockwise."""
    exif = Image.Exif()
    exif[0x0112] = 6
    saved = _saved(path, Image.fromarray(np.rot90(_drawing(seed))), exif=exif, quality=95)
    return saved, np.rot90(_read(saved), -1)


def _transparent(path: Path, seed: int) -> tuple[Path, Pixels]:
    colours = _drawing(seed)
    alpha = np.tile(np.linspace(0, 255, SIZE[0]).astype(np.uint8), (SIZE[1], 1))
    saved = _saved(path, Image.fromarray(np.dstack([colours, alpha])))
    share = alpha[..., None] / 255
    return saved, np.rint(colours * share + 255 * (1 - share)).astype(np.uint8)


def _grey(path: Path, seed: int) -> tuple[Path, Pixels]:
    grey = _drawing(seed)[..., 0]
    return _saved(path, Image.fromarray(grey)), np.dstack([grey] * 3)


def _cmyk(path: Path, seed: int) -> tuple[Path, Pixels]:
    saved = _saved(path, Image.fromarray(_drawing(seed)).convert("CMYK"), quality=95)
    with Image.open(saved) as image:
        inks = np.asarray(image).astype(int)
    return saved, np.clip(255 - inks[..., :3] - inks[..., 3:], 0, 255).astype(np.uint8)


def _deep(path: Path, seed: int) -> tuple[Path, Pixels]:
    """Grey of 16 bits, whose samples are 257 times those of 8 bits."""
    grey = _drawing(seed)[..., 0]
    saved = _saved(path, Image.fromarray(grey.astype(np.uint16) * 257))
    return saved, np.dstack([grey] * 3)


def _profiled(path: Path, seed: int) -> tuple[Path, Pixels]:
    """A picture in colours wider than sRGB's, paler than it looks where its profile is ignored."""
    drawn = _drawing(seed)
    saved = _saved(path, Image.fromarray(drawn), icc_profile=wide_profile())
    linear = np.clip((drawn / 255) ** GAMMA @ P3.T @ np.linalg.inv(SRGB).T, 0, 1)
    seen = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(seen * 255 - drawn).max() > 10
    return saved, np.rint(seen * 255).astype(np.uint8)


def wide_profile() -> bytes:
    """An ICC profile of Display P3's primaries with a gamma of 2.2, in the fewest bytes that there may be.

    Source: ICC.1:2001-04, sections 6.1 (header), 6.3.1 (matrix profiles) and 6.5 (types).
    """
    description = b"wide"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(description) + 1) + description + bytes(1 + 8 + 3 + 67),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": _xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": _xyz(*P3[:, 0]),
        b"gXYZ": _xyz(*P3[:, 1]),
        b"bXYZ": _xyz(*P3[:, 2]),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"curv" + bytes(4) + struct.pack(">IH", 1, round(GAMMA * 256))),
    }
    at, table, data = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">II", at + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(data), bytes(4), 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += (
        bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", *(round(each * 65536) for each in (0.9642, 1.0, 0.8249)))
    )
    return head.ljust(128, b"\0") + table + data


def _xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">iii", *(round(each * 65536) for each in values))


def _palette(path: Path, seed: int) -> tuple[Path, Pixels]:
    image = Image.fromarray(_drawing(seed)).quantize(32)
    saved = _saved(path, image, transparency=0)
    colours = np.asarray(image.convert("RGB")).copy()
    colours[np.asarray(image) == 0] = 255
    return saved, colours

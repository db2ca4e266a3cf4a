"""Makes known changes to photographs, as the truth on which gates are measured.

Each goes through a loss like that of a model's autoencoder afterwards, but for those that say otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Chance = np.random.Generator
Make = Callable[[Image.Image, Chance], Image.Image]


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Args:
        kind: no_op, local, tone, mend, style, moved, cast or frame.
        name: what it is.
        make: changes a photograph.
        area: share of the picture that a local change covers, about.
        lossy: whether a model's loss comes on top.
    """

    kind: str
    name: str
    make: Make
    area: float = 0.0
    lossy: bool = True

    def of(self, photo: Image.Image, seed: int) -> Image.Image:
        """The photograph, changed; equal for equal seeds."""
        chance = np.random.default_rng([seed, *self.name.encode()])
        changed = self.make(photo, chance)
        return loss(changed, chance) if self.lossy else changed


def loss(photo: Image.Image, chance: Chance) -> Image.Image:
    """What an autoencoder does: resampled, noise of 2.5 levels, a JPEG of quality 92."""
    small = photo.resize((round(photo.width * 0.9), round(photo.height * 0.9)), Image.Resampling.BICUBIC)
    return as_jpeg(noisy(small.resize(photo.size, Image.Resampling.BICUBIC), chance, level=2.5), chance, quality=92)


def noisy(photo: Image.Image, chance: Chance, *, level: float) -> Image.Image:
    levels = np.asarray(photo, dtype=np.float64)
    return as_photo(levels + chance.normal(0, level, levels.shape))


def as_photo(levels: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def as_jpeg(photo: Image.Image, chance: Chance, *, quality: int, kind: str = "JPEG") -> Image.Image:
    out = BytesIO()
    photo.save(out, kind, quality=quality)
    return Image.open(out).convert("RGB")


def same(photo: Image.Image, chance: Chance) -> Image.Image:
    return photo


def again(photo: Image.Image, chance: Chance, *, times: int) -> Image.Image:
    for _ in range(times):
        photo = loss(photo, chance)
    return photo


def resized(photo: Image.Image, chance: Chance, *, by: float, back: bool) -> Image.Image:
    other = photo.resize((round(photo.width * by), round(photo.height * by)), Image.Resampling.LANCZOS)
    return other.resize(photo.size, Image.Resampling.BICUBIC) if back else other


def blurred(photo: Image.Image, chance: Chance, *, radius: float) -> Image.Image:
    return photo.filter(ImageFilter.GaussianBlur(radius))


def curved(photo: Image.Image, chance: Chance, *, by: tuple[float, float, float], gain: float = 1.0) -> Image.Image:
    """Every level times `gain`, and so many more of red, green and blue."""
    return as_photo(np.asarray(photo, dtype=np.float64) * gain + np.array(by))


def gamma(photo: Image.Image, chance: Chance, *, power: float) -> Image.Image:
    return as_photo(255 * (np.asarray(photo, dtype=np.float64) / 255) ** power)


def enhanced(photo: Image.Image, chance: Chance, *, what: str, by: float) -> Image.Image:
    enhancer = getattr(ImageEnhance, what)(photo)
    enhanced: Image.Image = enhancer.enhance(by)
    return enhanced


def night(photo: Image.Image, chance: Chance) -> Image.Image:
    return curved(photo, chance, by=(0, 2, 14), gain=0.4)


def haze(photo: Image.Image, chance: Chance) -> Image.Image:
    return curved(photo, chance, by=(115, 117, 120), gain=0.5)


def sepia(photo: Image.Image, chance: Chance) -> Image.Image:
    return ImageOps.colorize(photo.convert("L"), "#140a00", "#fff0d0")


def lit(photo: Image.Image, chance: Chance) -> Image.Image:
    """Warm light from the left."""
    falls = np.linspace(1.35, 0.7, photo.width)[None, :, None]
    return as_photo(np.asarray(photo, dtype=np.float64) * falls * np.array([1.08, 1.0, 0.9]))


# Local changes: a patch of a share of the area, somewhere.


def patch(photo: Image.Image, chance: Chance, area: float, wide: float = 1.0) -> tuple[int, int, int, int]:
    height = min(photo.height - 2, max(6, round((photo.width * photo.height * area / wide) ** 0.5)))
    width = min(photo.width - 2, round(photo.width * photo.height * area / height))
    left, top = int(chance.integers(0, photo.width - width)), int(chance.integers(0, photo.height - height))
    return left, top, left + width, top + height


def blob(photo: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", photo.size)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask.filter(ImageFilter.GaussianBlur(1))


def recoloured(photo: Image.Image, chance: Chance, *, area: float) -> Image.Image:
    """A thing in another colour, with its light and shade; a dark one becomes a little lighter, as paint would be."""
    box = patch(photo, chance, area * 1.27)
    colour = tuple(int(each) for each in chance.permutation([220, 120, 30]))
    shades = ImageOps.colorize(photo.convert("L"), tuple(each // 6 for each in colour), colour)
    return Image.composite(shades, photo, blob(photo, box))


def added(photo: Image.Image, chance: Chance, *, area: float) -> Image.Image:
    """A shaded thing that stands out from what is behind it."""
    box = patch(photo, chance, area * 1.27)
    behind = np.asarray(photo.crop(box), dtype=np.float64).mean(axis=(0, 1))
    colour = np.where(behind > 128, behind - 90, behind + 90)
    shade = np.linspace(1.15, 0.8, photo.height)[:, None, None] * np.ones((1, photo.width, 1))
    return Image.composite(as_photo(shade * colour), photo, blob(photo, box))


def removed(photo: Image.Image, chance: Chance, *, area: float) -> Image.Image:
    """Of 20 places the one that differs most from what is around it, filled from there."""
    levels = np.asarray(photo.filter(ImageFilter.GaussianBlur(3)), dtype=np.float64)
    boxes = [patch(photo, chance, area * 1.27) for _ in range(20)]

    def stands_out(box: tuple[int, int, int, int]) -> float:
        left, top, right, bottom = box
        grow = (right - left) // 2
        around = levels[max(0, top - grow) : bottom + grow, max(0, left - grow) : right + grow]
        return float(np.abs(levels[top:bottom, left:right].mean(axis=(0, 1)) - around.mean(axis=(0, 1))).max())

    box = max(boxes, key=stands_out)
    left, top, right, bottom = box
    width = right - left
    other = left - width if left >= width else right
    filling = photo.crop((other, top, other + width, bottom))
    filled = photo.copy()
    filled.paste(filling, (left, top))
    return Image.composite(filled, photo, blob(photo, box))


def placed(photo: Image.Image, chance: Chance, *, area: float) -> Image.Image:
    """A thing of the photograph copied to another place, larger contrast first."""
    boxes = [patch(photo, chance, area * 1.27) for _ in range(20)]
    left, top, right, bottom = max(boxes, key=lambda box: np.asarray(photo.crop(box), dtype=np.float64).std())
    thing = photo.crop((left, top, right, bottom))
    at = patch(photo, chance, area * 1.27)
    moved = photo.copy()
    moved.paste(thing, at[:2])
    return Image.composite(moved, photo, blob(photo, (at[0], at[1], at[0] + right - left, at[1] + bottom - top)))


def lighter(photo: Image.Image, chance: Chance, *, area: float, by: float) -> Image.Image:
    """A place in softer light, such as skin that was retouched."""
    box = patch(photo, chance, area * 1.27)
    return Image.composite(curved(photo, chance, by=(by, by, by)), photo, blob(photo, box))


def turned(photo: Image.Image, chance: Chance, *, degrees: float) -> Image.Image:
    pad = round(0.1 * max(photo.size))
    levels = np.pad(np.asarray(photo), ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    whole = Image.fromarray(levels).rotate(degrees, Image.Resampling.BICUBIC)
    return whole.crop((pad, pad, pad + photo.width, pad + photo.height))


def lettered(photo: Image.Image, chance: Chance, *, height: int) -> Image.Image:
    font = ImageFont.load_default(height)
    left, top = int(chance.integers(4, photo.width // 2)), int(chance.integers(4, photo.height - height - 8))
    lettered = photo.copy()
    behind = np.asarray(photo.crop((left, top, left + 4 * height, top + height))).mean()
    ImageDraw.Draw(lettered).text((left, top), "OPEN 24h", "black" if behind > 128 else "white", font=font)
    return lettered


def dressed(photo: Image.Image, chance: Chance, *, area: float) -> Image.Image:
    """A large part in another stuff, such as clothes."""
    box = patch(photo, chance, area * 1.27)
    y, x = np.mgrid[: photo.height, : photo.width]
    checks = 40.0 * ((x // 9 + y // 9) % 2)[:, :, None]
    shades = np.asarray(photo.convert("L"), dtype=np.float64)[:, :, None] * 0.5
    return Image.composite(as_photo(shades + checks + np.array([60, 20, 70])), photo, blob(photo, box))


# Styles.


def pencil(photo: Image.Image, chance: Chance) -> Image.Image:
    grey = photo.convert("L")
    soft = ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(6))
    dodged = np.asarray(grey, dtype=np.float64) * 255 / np.maximum(255 - np.asarray(soft, dtype=np.float64), 1)
    return as_photo(np.minimum(dodged, 255)).convert("RGB")


def painted(photo: Image.Image, chance: Chance) -> Image.Image:
    strokes = photo.filter(ImageFilter.ModeFilter(9)).filter(ImageFilter.MedianFilter(5))
    return ImageEnhance.Color(strokes).enhance(1.6)


def cartoon(photo: Image.Image, chance: Chance) -> Image.Image:
    flat = ImageOps.posterize(photo.filter(ImageFilter.MedianFilter(7)), 2)
    lines = photo.convert("L").filter(ImageFilter.FIND_EDGES).point(lambda level: 0 if level > 60 else 255)
    return ImageChops.multiply(flat, lines.convert("RGB"))


def negative(photo: Image.Image, chance: Chance) -> Image.Image:
    return ImageOps.solarize(ImageOps.invert(photo), 100)


def on_plain_ground(photo: Image.Image, chance: Chance) -> Image.Image:
    """What is in the middle before a new background, as of a product."""
    width, height = photo.size
    return Image.composite(
        photo,
        Image.new("RGB", photo.size, "#f4f4f4"),
        blob(photo, (width // 6, height // 6, width * 5 // 6, height * 5 // 6)),
    )


# Shifts, zooms, frames.


def shifted(photo: Image.Image, chance: Chance, *, right: int, down: int) -> Image.Image:
    """Moved by whole pixels; what comes in at the rim is made up."""
    levels = np.asarray(photo)
    height, width = levels.shape[:2]
    rows, columns = (np.abs(np.arange(n) - by) for n, by in ((height, down), (width, right)))
    rows, columns = (np.where(each < n, each, 2 * n - 2 - each) for n, each in ((height, rows), (width, columns)))
    return Image.fromarray(levels[np.ix_(rows, columns)])


def zoomed(photo: Image.Image, chance: Chance, *, by: float) -> Image.Image:
    """Nearer where `by` is above 1, else farther with a made up rim."""
    pad = round(0.1 * max(photo.size)) if by < 1 else 0
    levels = np.pad(np.asarray(photo), ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    width, height = photo.width / by, photo.height / by
    left, top = (photo.width - width) / 2 + pad, (photo.height - height) / 2 + pad
    box = (left, top, left + width, top + height)
    return Image.fromarray(levels).resize(photo.size, Image.Resampling.BICUBIC, box=box)


def framed(photo: Image.Image, chance: Chance, *, x: float, y: float, colour: str, over: bool = False) -> Image.Image:
    """Bars of a share of the width and of the height at each edge, the photograph shrunk between them or under them."""
    across, down = round(photo.width * x), round(photo.height * y)
    inner = (photo.width - 2 * across, photo.height - 2 * down)
    box = (across, down, across + inner[0], down + inner[1])
    framed = Image.new("RGB", photo.size, colour)
    framed.paste(photo.crop(box) if over else photo.resize(inner, Image.Resampling.BICUBIC), box[:2])
    return framed


def both(photo: Image.Image, chance: Chance, *, first: Make, then: Make) -> Image.Image:
    return then(first(photo, chance), chance)


def _no_ops() -> list[Change]:
    def no_op(name: str, make: Make, *, lossy: bool = True) -> Change:
        return Change("no_op", name, make, lossy=lossy)

    return [
        no_op("the same file", same, lossy=False),
        no_op("one pass", same),
        no_op("three passes", partial(again, times=2)),
        no_op("JPEG 40", partial(as_jpeg, quality=40)),
        no_op("WEBP 50", partial(as_jpeg, quality=50, kind="WEBP")),
        no_op("twice the size", partial(resized, by=2, back=False)),
        no_op("half the size and back", partial(resized, by=0.5, back=True)),
        no_op("noise 5", partial(noisy, level=5)),
        no_op("two levels brighter", partial(curved, by=(2, 2, 2))),
    ]


def _local() -> list[Change]:
    makes = {"recoloured": recoloured, "added": added, "removed": removed, "placed": placed}
    shares = {
        "recoloured": (0.003, 0.01, 0.05),
        "added": (0.003, 0.01, 0.1),
        "removed": (0.01, 0.04),
        "placed": (0.02,),
    }
    found = [
        Change("local", f"{name} {area:.1%}", partial(makes[name], area=area), area)
        for name, areas in shares.items()
        for area in areas
    ]
    found += [Change("local", f"letters of {high} px", partial(lettered, height=high), 0.003) for high in (16, 32)]
    found += [
        Change("local", f"lighter by {by} {area:.1%}", partial(lighter, area=area, by=by), area)
        for area, by in ((0.003, 40), (0.02, 24), (0.05, 30))
    ]
    found += [Change("local", f"dressed {area:.0%}", partial(dressed, area=area), area) for area in (0.15, 0.4)]
    return found


def _tones() -> list[Change]:
    tones: dict[str, Make] = {
        "brighter": partial(curved, by=(0, 0, 0), gain=1.2),
        "darker": partial(curved, by=(0, 0, 0), gain=0.8),
        "contrast": partial(enhanced, what="Contrast", by=1.3),
        "colour": partial(enhanced, what="Color", by=1.6),
        "gamma": partial(gamma, power=0.75),
        "warm": partial(curved, by=(14, 2, -14)),
        "night": night,
        "haze": haze,
        "sepia": sepia,
        "side light": lit,
    }
    mends: dict[str, Make] = {
        "sharpened": partial(enhanced, what="Sharpness", by=2.0),
        "smoothed": partial(blurred, radius=1.0),
        "grain": partial(noisy, level=12),
    }
    return [Change("tone", name, make) for name, make in tones.items()] + [
        Change("mend", name, make) for name, make in mends.items()
    ]


def _moved() -> list[Change]:
    steps = [(2, 0), (0, -2), (-2, 2), (3, 1), (-5, 3), (8, -6), (0, 16)]
    found = [Change("moved", f"shift {x} {y}", partial(shifted, right=x, down=y)) for x, y in steps]
    found += [Change("moved", f"zoom {by - 1:+.0%}", partial(zoomed, by=by)) for by in (1.01, 1.02, 1.04, 0.99, 0.97)]
    found += [Change("moved", f"turned {by}", partial(turned, degrees=by)) for by in (0.5, -1.5)]
    shift = partial(shifted, right=4, down=-3)
    found += [
        Change("moved", "shift at night", partial(both, first=shift, then=night)),
        Change("moved", "shift and an added thing", partial(both, first=shift, then=partial(added, area=0.1))),
    ]
    return found


def _casts() -> list[Change]:
    colours = {
        "warm 5": (5, 0, -5),
        "cool 5": (-5, 0, 5),
        "green 5": (0, 5, 0),
        "magenta 10": (10, -10, 10),
        "yellow 10": (10, 10, -10),
    }
    found = [Change("cast", name, partial(curved, by=by)) for name, by in colours.items()]
    thing = partial(added, area=0.1)
    return [*found, Change("cast", "cool 5, a thing", partial(both, first=thing, then=partial(curved, by=(-5, 0, 5))))]


def _frames() -> list[Change]:
    bars = {
        "letterbox 2%": partial(framed, x=0, y=0.02, colour="black"),
        "letterbox 5%": partial(framed, x=0, y=0.05, colour="white"),
        "pillars 5%": partial(framed, x=0.05, y=0, colour="black"),
        "frame 3%": partial(framed, x=0.03, y=0.03, colour="white"),
        "bars over it 3%": partial(framed, x=0, y=0.03, colour="grey", over=True),
    }
    return [Change("frame", name, make) for name, make in bars.items()]


STYLES: dict[str, Make] = {
    "pencil": pencil,
    "painted": painted,
    "cartoon": cartoon,
    "negative": negative,
    "plain ground": on_plain_ground,
}
CHANGES = (
    *_no_ops(),
    *_local(),
    *_tones(),
    *(Change("style", name, make) for name, make in STYLES.items()),
    *_moved(),
    *_casts(),
    *_frames(),
)

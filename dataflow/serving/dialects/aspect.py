"""Width and height in the words of models that draw only a few aspect ratios and sizes.

A picture of the nearest ratio comes back, not one of exactly this many pixels; a ratio too far from
every known one is refused, since cropping is not ours to decide.
"""

from math import log

# Source: https://ai.google.dev/gemini-api/docs/image-generation#aspect_ratios; OpenRouter takes the same.
RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
TOLERANCE = 1.1
_MEGAPIXELS = {"1K": 1.0, "2K": 4.0, "4K": 16.0}


def nearest_ratio(width: int, height: int) -> str:
    """The known aspect ratio next to that of so many pixels."""
    return min(RATIOS, key=lambda ratio: _off(ratio, width, height))


def is_drawable(width: int, height: int) -> bool:
    """Whether a known aspect ratio is within 10 % of that of so many pixels."""
    return _off(nearest_ratio(width, height), width, height) <= log(TOLERANCE)


def ratio_problem(width: int, height: int) -> str:
    """Why no picture of about this shape can be asked for; empty if one can."""
    if is_drawable(width, height):
        return ""
    return f"the model draws no shape near {width} x {height}: the next is {nearest_ratio(width, height)}"


def size_step(width: int, height: int) -> str:
    """The size class next in area, "2K" or "4K"; empty for "1K", which older models let nobody name."""
    pixels = width * height / (1 << 20)
    step = min(_MEGAPIXELS, key=lambda name: abs(log(pixels / _MEGAPIXELS[name])))
    return "" if step == "1K" else step


def _off(ratio: str, width: int, height: int) -> float:
    across, down = ratio.split(":")
    return abs(log(width * int(down) / (height * int(across))))

"""Sizes for models that draw only a few aspect ratios and size classes.

Such a model draws the nearest ratio, and not exactly the width and height that were asked for. A size too far from
every known ratio is refused, since the user decides whether a picture is cropped.
"""

from math import log

# Source: https://ai.google.dev/gemini-api/docs/image-generation#aspect_ratios; OpenRouter takes the same.
RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
TOLERANCE = 1.1  # the largest factor between the ratio asked for and the nearest known one
_MEGAPIXELS = {"1K": 1.0, "2K": 4.0, "4K": 16.0}


def nearest_ratio(width: int, height: int) -> str:
    """The known aspect ratio that is nearest to a width and a height in pixels."""
    return min(RATIOS, key=lambda ratio: _distance(ratio, width, height))


def is_drawable(width: int, height: int) -> bool:
    """Whether a known aspect ratio is within 10 % of that of a width and a height in pixels."""
    return _distance(nearest_ratio(width, height), width, height) <= log(TOLERANCE)


def ratio_problem(width: int, height: int) -> str:
    """As `Dialect.size_problem`, for models that draw the known aspect ratios alone."""
    if is_drawable(width, height):
        return ""
    return f"the model draws no shape near {width} x {height}: the next is {nearest_ratio(width, height)}"


def size_step(width: int, height: int) -> str:
    """The size class that is nearest in area, "2K" or "4K"; empty: it is "1K", which older models refuse by name."""
    pixels = width * height / (1 << 20)
    step = min(_MEGAPIXELS, key=lambda name: abs(log(pixels / _MEGAPIXELS[name])))
    return "" if step == "1K" else step


def _distance(ratio: str, width: int, height: int) -> float:
    """The logarithm of the factor between a ratio such as "3:2" and that of a width and a height."""
    across, down = ratio.split(":")
    return abs(log(width * int(down) / (height * int(across))))

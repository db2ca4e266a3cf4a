"""A mask, a picture of its size, and a row that has both."""

from pathlib import Path
from typing import Any

from PIL import Image

SIZE = (48, 32)  # width and height in pixels
HALVES = Image.new("L", SIZE)
HALVES.paste(255, (0, 0, SIZE[0] // 2, SIZE[1]))  # the left half may change


def write_pair(folder: Path, name: str = "a", size: tuple[int, int] = SIZE) -> dict[str, Any]:
    """Write a grey ramp and a mask of the size, and name both in a row."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.linear_gradient("L").resize(size).convert("RGB").save(folder / f"{name}.png")
    HALVES.resize(size, Image.Resampling.NEAREST).save(folder / f"{name}_mask.png")
    return {
        "conversations": f"edit {name}",
        "images": [str(folder / f"{name}.png")],
        "mask": str(folder / f"{name}_mask.png"),
    }

"""Judged edits in a cache directory, without a judge: pictures that differ, and verdicts on them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dataflow.core.records import Row
from tests.kit.flow import write_rows

JUDGE, RUBRIC = "0123456789abcdef", "fedcba9876543210"


def verdict(*numbers: float, judge: str = JUDGE, **more: object) -> Row:
    axes = dict(zip(("following", "preservation"), numbers, strict=False))
    return {"accepted": min(numbers) >= 7, "score": max(numbers), "axes": axes, "judge": judge, "rubric": RUBRIC} | more


def tries_of(cache: Path, lowest: Sequence[float], *, more: Mapping[int, Row] | None = None) -> Path:
    """An accept loop's `tries`: one edit for each number, which is its lowest axis."""
    (cache / "images").mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for number, low in enumerate(lowest):
        picture = cache / f"images/{number}.png"
        picture.write_bytes(str(number).encode())
        said = verdict(low, 10)
        rows.append({"sub_type": "move" if number % 2 else "add", "edited_images": [str(picture)], "verdict": said})
        rows[-1] |= (more or {}).get(number, {})
    path = cache / "set_step2.tries.jsonl"
    write_rows(path, rows)
    write_rows(cache / "set_step2.jsonl", rows[:1])
    return path

"""Judged edits in a cache directory, without a judge: pictures that differ, and verdicts on them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dataflow.calibration.labels import Label, append_label
from dataflow.calibration.sampling import draw_sample
from dataflow.cli.main import main
from dataflow.core.records import Row
from tests.kit.flow import read_rows, write_rows

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


LOW = [9.0] * 120 + [8.0] * 80 + [3.0] * 100


def good(number: int) -> str:
    """Of those at 9 all, of those at 8 one in two, of the others one in five."""
    if number < 120:
        return "yes"
    return "yes" if number % (2 if number < 200 else 5) == 0 else "no"


Says = Callable[[int], str]


def label(path: Path, says: Says = good, *, count: int = 100, uniform: bool = False) -> Path:
    labels = path.parent / "labels.jsonl"
    for each in draw_sample(path, count=count, uniform=uniform).showings:
        said = says(int(Path(each.file).stem))
        append_label(labels, Label(each.picture, said, path=each.edit.path, shown=each.shown, sample=each.sample))
    return labels


def second_judge(cache: Path, lowest: Sequence[float], cost: float) -> Path:
    rows = [
        {**row, "verdict": verdict(low, 10, judge="second")}
        for row, low in zip(read_rows(cache / "set_step2.tries.jsonl"), lowest, strict=True)
    ]
    sides = {"edits accepted": 200, "edits rejected": 100}
    meta = {"summary": {"sides": sides, "currency": "USD", "cost": cost, "cost_before": 0}}
    write_rows(cache / "judged_second_step1.meta.json", [meta])
    return Path(write_rows(cache / "judged_second_step1.jsonl", rows))


def flat(said: str) -> str:
    return " ".join(said.split())


def run(cache: Path, labels: Path, *flags: str) -> int:
    return main(["calibrate", str(cache), str(labels), "--out", str(cache / "t.json"), *flags])

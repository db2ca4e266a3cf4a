"""Measures the gates on photographs with known changes: bad edits that they catch, and good ones that they drop.

OMP_NUM_THREADS=1 python -m benchmarks.gates [FILE ...]

The photographs are those of example_data/image_gen/image_edit, the changes those of tests/kit/photo_changes.py. The
limits were set on the photographs of odd numbers. Files that are named are measured instead.
"""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw

from dataflow.gates.limits import LIMITS, failed
from dataflow.gates.measured import Measures
from dataflow.gates.measures import SEEN, compare
from dataflow.io import ImageIO
from tests.kit.photo_changes import CHANGES, Change, added, loss

PHOTOS = Path(__file__).parent.parent / "example_data" / "image_gen" / "image_edit"
HALVES = {"odd": (1, 3, 5, 7), "even": (2, 4, 6, 8)}
TIMES = 3
OUTSIDE = (0.0, 0.005, 0.02, 0.08, 0.2)  # of the area, changed outside a mask

Case = tuple[Change, Measures]
Holds = Callable[[Case], bool]


@dataclass(frozen=True, slots=True)
class Figure:
    """A share of the cases of some kinds.

    Args:
        name: what is counted.
        of: which cases are looked at.
        counted: which of these count.
        least: what the share must reach, where it must be high.
        most: what it must not pass, where it must be low.
    """

    name: str
    of: Holds
    counted: Holds
    least: float = 0.0
    most: float = 1.0

    def share(self, cases: Iterable[Case]) -> tuple[int, int]:
        found = [self.counted(case) for case in cases if self.of(case)]
        return sum(found), len(found)


def photo(number: int) -> Image.Image:
    return opened(PHOTOS / f"image{number}.png")


def opened(path: Path) -> Image.Image:
    """A picture with at most 640 pixels on the longer side, as those of the example data have."""
    found = Image.open(path).convert("RGB")
    found.thumbnail((640, 640))
    return found


def measured(source: Image.Image, seed: int, changes: Sequence[Change] = CHANGES, *, times: int = 1) -> list[Case]:
    """Every change of one photograph, measured; so many times, at other places and with other noise."""
    seeds = range(seed, seed + 100 * times, 100)
    return [(change, compare([source], change.of(source, seed))) for change in changes for seed in seeds]


def kinds(*wanted: str) -> Holds:
    return lambda case: case[0].kind in wanted


def fails(keeps: str, *gates: str) -> Holds:
    """Whether one of these gates rejects; without names, whether any gate does."""
    return lambda case: (found := failed(case[1], keeps)) != "" and (not gates or found in gates)


def moved(case: Case) -> bool:
    corner = LIMITS["rest"].corner
    assert corner is not None
    return not case[1].unsure and case[1].corner > corner


def cast(case: Case) -> bool:
    most = LIMITS["rest"].cast
    assert most is not None
    return max(map(abs, case[1].cast)) > most


def framed(case: Case) -> bool:
    most = LIMITS["rest"].border
    assert most is not None
    return case[1].border > most


def local(least: float, most: float) -> Holds:
    return lambda case: case[0].kind == "local" and least <= case[0].area < most


FIGURES = (
    Figure("no-ops caught", kinds("no_op"), fails("rest", "no_op"), least=0.99),
    Figure("local edits of 1 % of the area and more lost, at any gate", local(0.01, 1), fails("rest"), most=0.02),
    Figure("local edits of 0.3 % lost, at any gate", local(0, 0.01), fails("rest"), most=0.05),
    Figure("tones lost, at any gate", kinds("tone"), fails("layout"), most=0.1),
    Figure("styles lost, at any gate", kinds("style"), fails("scene")),
    Figure("shifts of 2 px, zooms of 1 %, turns of half a degree and more found", kinds("moved"), moved, least=0.99),
    Figure("false: no-ops, local, tone and mended", kinds("no_op", "local", "tone", "mend"), moved, most=0.005),
    Figure("styles of which nobody can tell", kinds("style"), lambda case: case[1].unsure),
    Figure("casts of 5 levels and more found", kinds("cast"), cast, least=0.99),
    Figure("false: no-ops and local", kinds("no_op", "local"), cast, most=0.005),
    Figure("bars and frames of 2 % and more found", kinds("frame"), framed, least=0.99),
    Figure(
        "false: all others but styles", kinds("no_op", "local", "tone", "mend", "moved", "cast"), framed, most=0.005
    ),
    Figure("false: styles", kinds("style"), framed),
)


def outside_error(source: Image.Image, seed: int) -> float:
    """The largest error of the measured share that changed outside a mask."""
    width, height = source.size
    mask = Image.new("L", source.size)
    ImageDraw.Draw(mask).rectangle((0, 0, width // 3, height // 3), fill=255)
    allowed = np.asarray(mask) > 0
    worst = 0.0
    for share in OUTSIDE:
        chance = np.random.default_rng(seed)
        edited = Image.composite(added(source, chance, area=0.6), source, mask)
        if share:
            edited = added(edited, chance, area=share)
        changed = np.abs(np.asarray(edited, dtype=int) - np.asarray(source, dtype=int)).max(axis=2) > SEEN
        found = compare([source], loss(edited, chance), mask).outside
        assert found is not None
        worst = max(worst, abs(found - float(changed[~allowed].mean())))
    return worst


def seconds_a_megapixel(rounds: int = 5) -> float:
    """CPU time to read two PNGs of 1 megapixel and to compare them, on one core."""
    large = photo(1).resize((1000, 1000))
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("source.png", "edited.png")]
        large.save(paths[0])
        loss(large, np.random.default_rng(0)).save(paths[1])
        began = time.process_time()
        for _ in range(rounds):
            source, edited = (ImageIO(folder).read(str(path)) for path in paths)
            compare([source], edited)
    return (time.process_time() - began) / rounds


def main() -> None:
    named = [opened(Path(path)) for path in sys.argv[1:]]
    halves = {half: [photo(number) for number in numbers] for half, numbers in HALVES.items()}
    sources = {"of the files": named} if named else halves
    cases = {
        name: [case for seed, each in enumerate(photos, 1) for case in measured(each, seed, times=TIMES)]
        for name, photos in sources.items()
    }
    print(f"{len(CHANGES)} changes of {sum(map(len, sources.values()))} photographs, {TIMES} times each\n")
    print(f"| what | asked for | {' | '.join(sources)} |\n|---|---|{'---|' * len(sources)}")
    for figure in FIGURES:
        asked = f"at least {figure.least}" if figure.least else f"at most {figure.most}" if figure.most < 1 else ""
        shares = [figure.share(each) for each in cases.values()]
        print(f"| {figure.name} | {asked} | {' | '.join(f'{a / n:.3f} ({a} of {n})' for a, n in shares)} |")
    errors = [max(outside_error(each, seed) for seed, each in enumerate(photos, 1)) for photos in sources.values()]
    print(f"| changed outside a mask, off by | at most 0.01 | {' | '.join(f'{error:.4f}' for error in errors)} |")
    print(f"\nread and compare, 1 megapixel: {1000 * seconds_a_megapixel():.0f} ms of CPU")


if __name__ == "__main__":
    main()

"""Measures how many sessions, compositions and inverses that grow from accepted edits are right, on the demo.

OMP_NUM_THREADS=1 python -m benchmarks.growth --out FOLDER [--sessions 60]

The demo model edits; writer and judge read pictures and words, never a row's truth. That is followed here from the
words alone: what each turn says, "it" and "go back" included, done to the scene that was drawn. All lines share one
journal.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import orjson
from PIL import Image

from dataflow.core.records import JSON, Answer, Request, Row
from dataflow.demo.checker import agree
from dataflow.demo.edits import make_example
from dataflow.demo.judge import DRAWN_CANARIES, CheckerJudge
from dataflow.demo.parsing import NotUnderstoodError, named_after, outcome
from dataflow.demo.reading import read
from dataflow.demo.wording import subject
from dataflow.demo.world import Scene, draw
from dataflow.demo.writer import DemoWriter, demo_taxonomy
from dataflow.operators.core_vision import (
    ImageEditAcceptLoop,
    ImageEditComposer,
    ImageEditInverter,
    ImageEditJudge,
    ImageEditSession,
)
from dataflow.scripts.servings import make_serving
from dataflow.utils.storage import FileStorage, Step

SEED = 5_000_153
"""Of these pictures only."""

ERRING = {"false_accept": 0.3, "false_reject": 0.1}
SLIPS = 0.3
_BACK = re.compile(r"(?:go back to version (\d+) and |回到第(\d+)版，)(.*)")
_IT = {"en": (re.compile(r"\bit\b"), "the {subject}"), "zh": (re.compile("它"), "{subject}")}


class Slipping(DemoWriter):
    """A writer that confuses two pictures in a share of the questions about two."""

    def fingerprint(self) -> dict[str, JSON]:
        """The fingerprint, which differs from that of a writer that never confuses."""
        return {**super().fingerprint(), "slips": SLIPS}

    def written(self, request: Request) -> Answer:
        """The answer to one request."""
        names = "".join(Path(path).stem for path in request.images)
        slips = len(request.images) == 2 and sum(names.encode()) % 100 < 100 * SLIPS
        return super().written(replace(request, images=request.images[::-1]) if slips else request)


def scenes(count_of: int) -> Iterator[Scene]:
    """Different scenes of two or three shapes."""
    found = (make_example(SEED, number, operation="recolour").sources[0] for number in count())
    return islice((each for each in found if len(each.shapes) > 1), count_of)


def lines(path: Path) -> list[Row]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def told(row: Row) -> list[str]:
    return [each["content"] for each in row["conversations"] if each["role"] == "user"]


def shown(path: str, scene: Scene | None) -> bool:
    """Whether a picture shows a scene."""
    with Image.open(path) as picture:
        return scene is not None and agree(read(picture), scene)


def led_to(instruction: str, scene: Scene | None) -> Scene | None:
    with suppress(NotUnderstoodError):
        return scene and outcome(instruction, [scene])
    return None


def truth_of(row: Row, first: Scene) -> list[Scene | None]:
    """The scenes of a session: at the beginning, and after each turn by what the user says."""
    versions: list[Scene | None] = [first]
    before: list[str] = [""]  # what led to each version, its "it" resolved
    for said in told(row):
        version, words = len(versions), said
        if back := _BACK.fullmatch(said):
            version, words = int(back[1] or back[2]), back[3]
        it, named = _IT[row["language"]]
        if it.search(words) and (pair := named_after(before[version - 1])):
            shape = replace(first.shapes[0], colour=pair[0], kind=pair[1])
            words = it.sub(named.format(subject=subject(shape, row["language"])), words, count=1)
        versions.append(led_to(words, versions[version - 1]))
        before.append(words)
    return versions


def share(right: Sequence[bool]) -> str:
    return f"{sum(right)} of {len(right)}"


def sessions_of(folder: Path, pictures: int, judge: ImageEditJudge, name: str) -> tuple[Step, dict[str, Scene | None]]:
    """Run the sessions and print their figures; returns the scene that each picture has to show."""
    known = {f"{number}.png": scene for number, scene in enumerate(scenes(pictures))}
    folder.mkdir(parents=True, exist_ok=True)
    for file, scene in known.items():
        draw(scene).save(folder / file)
    first = folder / "rows.jsonl"
    first.write_bytes(b"".join(orjson.dumps({"images": [file]}) + b"\n" for file in known))
    loop = ImageEditAcceptLoop(make_serving("demo", "imageedit", str(folder / "pictures")), judge, gates=False)
    step = FileStorage(first, folder / "cache", file_name_prefix=name).step()
    summary = ImageEditSession(DemoWriter(), loop, turns=3).run(step)
    truth: dict[str, Scene | None] = {}
    for row in (*lines(step.target), *lines(step.side("rejected"))):
        versions = truth_of(row, known[Path(row["images"][0]).name])
        truth |= zip([*row["images"], *row["edited_images"]], versions, strict=True)
    held = lines(step.target)
    print(f"{name} judge: {summary.accepted} sessions of {pictures} pictures; {summary.sides['tries']} edits")
    print(counted(held, [[shown(path, truth[path]) for path in row["edited_images"]] for row in held]), flush=True)
    return step, truth


def counted(held: Sequence[Row], right: Sequence[Sequence[bool]]) -> str:
    """How many turns of the sessions show what was said, and how many of those that refer to what was before."""
    refers = [
        good
        for row, found in zip(held, right, strict=True)
        for good, said in zip(found, told(row), strict=True)
        if _BACK.fullmatch(said) or _IT[row["language"]][0].search(said)
    ]
    turns = share([good for found in right for good in found])
    full = sum(len(found) == 3 for found in right)
    whole = f"{full} have three turns, {sum(map(all, right))} are right in all"
    return f"  {whole}; turns truly right: {turns}, of those with it or back {share(refers)}"


def compositions_of(step: Step, writer: DemoWriter, judge: ImageEditJudge, truth: dict[str, Scene | None]) -> str:
    summary = ImageEditComposer(writer, judge).run(step)
    good = [is_right(row, truth) for row in lines(step.target)]
    bad = [is_right(row, truth) for row in lines(step.side("rejected"))]
    return f"{summary.rows} | {sum(good)} | {len(bad)} | {sum(bad)} | {summary.sides['passed_over']} | - "


def inverses_of(step: Step, writer: DemoWriter, judge: ImageEditJudge, truth: dict[str, Scene | None]) -> str:
    summary = ImageEditInverter(writer, judge).run(step)
    good = [is_right(row, truth) for row in lines(step.target) if row["relation"] == "inverse"]
    bad = [is_right(row, truth) for row in lines(step.side("rejected_inverses"))]
    doubtful = summary.sides["doubtful"]
    return f"{len(good)} | {sum(good)} | {len(bad)} | {sum(bad)} | {summary.sides['passed_over']} | {doubtful} "


def is_right(row: Row, truth: dict[str, Scene | None]) -> bool:
    """Whether a row's instruction leads from what its first picture shows to what its edit shows."""
    before, after = truth[row["images"][0]], truth[row["edited_images"][-1]]
    found = led_to(row["conversations"][-1]["content"], before)
    return found is not None and after is not None and agree(found, after)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("cache_local/growth"), help="folder of rows and answers")
    parser.add_argument("--sessions", type=int, default=60, help="pictures to begin at (default %(default)s)")
    given = parser.parse_args()
    folder = given.out.absolute()
    exact = ImageEditJudge(CheckerJudge(), canaries=DRAWN_CANARIES, taxonomy=demo_taxonomy())
    erring = ImageEditJudge(CheckerJudge(**ERRING), canaries=False, taxonomy=demo_taxonomy())
    sessions_of(folder, given.sessions, erring, "erring")
    held, truth = sessions_of(folder, given.sessions, exact, "exact")
    print("| rows | writer | judge | accepted | truly right | rejected | of them right | passed over | doubtful |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, source, run in (
        ("compositions", held.target, compositions_of),
        ("inverses of turns", held.side("turns"), inverses_of),
    ):
        for number, (writer, judge) in enumerate(
            ((DemoWriter(), exact), (DemoWriter(), erring), (Slipping(), exact), (Slipping(), erring))
        ):
            step = FileStorage(source, folder / "cache", file_name_prefix=f"{run.__name__}{number}").step()
            slips, errs = ("slips" if number > 1 else "exact"), ("errs" if number % 2 else "exact")
            print(f"| {name} | {slips} | {errs} | {run(step, writer, judge, truth)}|", flush=True)


if __name__ == "__main__":
    main()

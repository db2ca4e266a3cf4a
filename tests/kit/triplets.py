"""Workers for triplets without models: all answer at once, at known rates and costs.

An edit's outcome follows from its request's id, so it is the same in every run.
"""

import asyncio
import random
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from dataflow.core.records import JSON, Answer, Job, Picture, Row
from dataflow.core.worker import Billing, Limits, Worker
from dataflow.flow.summary import Summary
from dataflow.io import ImageIO
from dataflow.operators.core_text import EditPromptGenerator
from dataflow.operators.core_vision import ImageEditAcceptLoop, ImageEditJudge, PromptedImageGenerator
from dataflow.operators.core_vision.triplet_synthesizer import TripletSynthesizer
from dataflow.quota.quota import Quota
from dataflow.serving.template_writer import TemplateWriter
from dataflow.taxonomy.brief import read_brief
from dataflow.taxonomy.priors import prior_passes
from dataflow.taxonomy.taxonomy import shipped_taxonomy
from dataflow.testing.pictures import plain_png
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows

_OPERATION = re.compile(r"\(kind: (\w+)\)")
STEP = "dataflow_cache_step_step1"
MIX = {"move": 2.0, "zoom": 1.0, "art_style": 1.0}
PRICES: Mapping[str, object] = {"painter": {"image": 0.07}, "editor": {"image": 0.07}}


@dataclass(frozen=True, slots=True)
class World:
    """The rates, costs and speeds of the workers.

    Args:
        first: operation → the share of first edits that is right.
        again: how many times as often a further edit of a row is.
        cost: of a picture, in the currency; 0: nobody charges.
        seconds: that a picture takes.
        slow: the share of the pictures that take `slow_seconds`.
        slow_seconds: that these take.
        width: calls at once.
    """

    first: Mapping[str, float]
    again: Mapping[str, float]
    cost: float = 0.0
    seconds: float = 0.0
    slow: float = 0.0
    slow_seconds: float = 0.0
    width: int = 64


def likely_world(seed: int, **settings: float) -> World:
    """Rates that scatter around the priors with the weight of eight rows; retries pass .1 to .65 times as often."""
    chance, priors = random.Random(seed), prior_passes(shipped_taxonomy().operations)
    first = {name: chance.betavariate(8 * each, 8 * (1 - each)) for name, each in priors.items()}
    return World(first, {name: chance.uniform(0.1, 0.65) for name in priors}, **settings)  # type: ignore[arg-type]


class Pen(TemplateWriter):
    """A writer: fills templates, no two rows alike, and puts the operation into each instruction."""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return [self._marked(job, answer) for job, answer in zip(batch, await super().call(batch), strict=True)]

    def _marked(self, job: Job, answer: Answer) -> Answer:
        brief = read_brief(job.request.prompt)
        assert brief is not None
        own = " ".join(job.id[at : at + 4].translate(_LETTERS) for at in range(0, 32, 4))
        fields: dict[str, str] = orjson.loads(answer.text)
        for name in fields.keys() - {*brief.suffixed("target")}:
            fields[name] += f" {own} (kind: {brief.operation})"
        return Answer(text=orjson.dumps(fields).decode())


_LETTERS = str.maketrans("0123456789", "ghijklmnop")


@dataclass(eq=False)
class Hand(Worker):
    """A painter or editor: answers with the right or the wrong one of two prepared pictures."""

    name: str
    world: World
    pictures: Sequence[Picture]
    notes: bool = True  # what it was asked, and when
    right: float = 1.0  # share of its drawings that are right; of edits the world knows
    count: int = 0
    asked: list[str] = field(default_factory=list)
    done_at: list[float] = field(default_factory=list)  # on the monotonic clock

    def __post_init__(self) -> None:
        self.limits = Limits(width=self.world.width)
        self.save_path = str(Path(self.pictures[0].path).parent)

    def fingerprint(self) -> Mapping[str, JSON]:
        return {"model": self.name}

    def billing(self) -> Billing | None:
        return Billing(self.name) if self.world.cost else None

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        (job,) = batch
        self.count += 1
        if self.notes:
            self.asked.append(job.id)
        chance = random.Random(job.id)
        seconds = self.world.slow_seconds if chance.random() < self.world.slow else self.world.seconds
        if seconds:
            await asyncio.sleep(seconds)
        if self.notes:
            self.done_at.append(time.monotonic())
        cost = self.world.cost * max(0.1, chance.gauss(1, 0.3))
        usage = {"cost": cost} if cost else {}
        return [Answer(pictures=(self.pictures[self._is_right(job, chance.random())],), usage=usage)]

    def _is_right(self, job: Job, luck: float) -> bool:
        found = _OPERATION.search(job.request.prompt)
        if self.name != "editor" or found is None:
            return luck < self.right
        rate = self.world.first[found[1]]
        return luck < (rate * self.world.again[found[1]] if job.request.repeat else rate)


class Eye(Worker):
    """A judge: knows the right picture from the wrong one."""

    limits = Limits(width=64)

    def __init__(self, right: Picture, *, model: str = "judge") -> None:
        self._right, self._model = right, model

    def fingerprint(self) -> Mapping[str, JSON]:
        return {"model": self._model}

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return [self._answer(job) for job in batch]

    def _answer(self, job: Job) -> Answer:
        fields = orjson.loads(job.request.schema)["properties"]
        score = 9 if job.request.images[-1] == self._right.path else 2
        return Answer(text=orjson.dumps(dict.fromkeys(fields, score)).decode())


class Looker(Worker):
    """A writer that looks at a photograph and takes one of the operations that it is offered.

    Args:
        takes: index of the one that it takes, where it is offered none that it likes.
        likes: operations that it takes wherever it is offered one.

    Attributes:
        offered: names of the operations, for each question.
    """

    def __init__(self, takes: int = 0, *, likes: Collection[str] = ()) -> None:
        self._takes, self._likes = takes, likes
        self.offered: list[list[str]] = []

    def fingerprint(self) -> Mapping[str, JSON]:
        return {"model": "looker"}

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return [self._answer(job) for job in batch]

    def choose(self, job: Job, offered: Sequence[str]) -> str:
        """Choose one of the operations on offer."""
        return next((name for name in offered if name in self._likes), offered[self._takes])

    def _answer(self, job: Job) -> Answer:
        offer, _, rest = job.request.prompt.partition("Answer with one JSON object")
        self.offered.append(re.findall(r"^- (\w+): ", offer, re.MULTILINE))
        taken = self.choose(job, self.offered[-1])
        fields = dict.fromkeys(re.findall(r"^- (\w+): ", rest, re.MULTILINE), f"a grey wall (kind: {taken})")
        known = {"long_en": f"{fields['long_en']}, and all else as it was", "target": "a grey wall", "operation": taken}
        return Answer(text=orjson.dumps({**fields, **known}).decode())


def accept_loop(folder: Path, world: World, *, tries: int = 3) -> ImageEditAcceptLoop:
    """An accept loop of an editor and a judge."""
    wrong, right = two_pictures(folder)
    judge = ImageEditJudge(Eye(right), canaries=False)
    editor = Hand("editor", world, [wrong, right])
    return ImageEditAcceptLoop(editor, judge, tries=tries, retry="resample", gates=False)


def two_pictures(folder: Path) -> list[Picture]:
    """Write the two prepared pictures, the wrong and the right one."""
    files = ImageIO(str(folder / "pictures"))
    return [files.save(f"{n:032x}", [plain_png(bytes([n]), (64, 64))])[0] for n in range(2)]


def synthesizer(folder: Path, world: World, quota: Quota | None, *, tries: int = 3, n: int = 100) -> TripletSynthesizer:
    """A `TripletSynthesizer` of all these workers, with pictures in a folder."""
    writer = EditPromptGenerator(Pen(), languages=["en"], n=n)
    painter = PromptedImageGenerator(Hand("painter", world, two_pictures(folder)))
    return TripletSynthesizer(writer, painter, accept_loop(folder, world, tries=tries), quota=quota)


def run_synthesizer(
    folder: Path, quota: Quota | None, *, of: World | None = None, dry_run: bool = False, n: int = 8
) -> Summary:
    """Run the `TripletSynthesizer` in a folder, with likely rates."""
    made = synthesizer(folder, of or likely_world(1), quota, n=n)
    return made.run(FileStorage(cache_path=folder / "cache", prices=dict(PRICES), dry_run=dry_run).step())


def rows(folder: Path, side: str = "") -> list[Row]:
    """The rows of the step's file, or of a side output, such as "written."."""
    return read_rows(folder / "cache" / f"{STEP}.{side}jsonl")


def files(folder: Path) -> dict[str, bytes]:
    """The contents of all files of rows, wherever the folder lies."""
    found = sorted((folder / "cache").glob(f"{STEP}.*jsonl"))
    return {file.name: file.read_bytes().replace(bytes(folder), b"") for file in found}


def quota_report(folder: Path) -> Row:
    """The quota's figures in the step's meta file."""
    found: Row = orjson.loads((folder / "cache" / f"{STEP}.meta.json").read_bytes())["report"]["quota"]
    return found

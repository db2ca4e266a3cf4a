"""Stage one of the demo: descriptions and instructions of the drawn world, whose outcome is known.

What a brief asks for follows from the brief alone, so the writer needs no model, and the scenes that must
come out stand in the row.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import orjson

from dataflow.core.records import JSON, Answer, Job, Row
from dataflow.core.worker import Batching, Worker
from dataflow.demo.changes import CHANGES, Draw, NoRoomError, compose
from dataflow.demo.edits import TRAINED_PAIRS
from dataflow.demo.packaged import SHOWN
from dataflow.demo.phrases import LANGUAGES, PHRASINGS
from dataflow.demo.saying import caption, subject
from dataflow.demo.truth import TRUTH, as_truth
from dataflow.demo.world import Scene, Shape
from dataflow.errors import Failure
from dataflow.operators.base import Columns
from dataflow.operators.core_text.asking import Asking
from dataflow.operators.core_text.edit_prompt_generator import EditPromptGenerator
from dataflow.taxonomy.brief import Brief, read_brief
from dataflow.taxonomy.taxonomy import LENGTHS, Taxonomy, read_taxonomy

_COMPOSE = "compose"
_MOST_COMPOSED = 2


@cache
def demo_taxonomy() -> Taxonomy:
    """The edits of the drawn world."""
    return read_taxonomy(Path(__file__).with_name("taxonomy.yaml"))


@dataclass(frozen=True, slots=True)
class Imagined:
    """An edit of the drawn world.

    Args:
        scenes: what it starts from.
        named: the shape of each scene that the instruction names; for some operations any.
        instruction: in the language and phrasing asked for.
        target: what it must come to.
    """

    scenes: tuple[Scene, ...]
    named: tuple[Shape, ...]
    instruction: str
    target: Scene


def imagine(brief: Brief, language: str, phrasing: int) -> Imagined:
    """The edit of a brief: the same one in every language and phrasing."""
    key = hashlib.blake2b(orjson.dumps(asdict(brief)), digest_size=8).digest()
    draw = Draw(np.random.default_rng(int.from_bytes(key)), TRAINED_PAIRS, language, phrasing)
    while True:
        try:
            return _attempt(draw, brief.operation)
        except NoRoomError:
            continue


def _attempt(draw: Draw, operation: str) -> Imagined:
    if operation == _COMPOSE:
        first, second = draw.placed_scene(), draw.placed_scene()
        if max(len(first.shapes), len(second.shapes)) > _MOST_COMPOSED:
            raise NoRoomError
        instruction, target = compose(draw, first, second)
        (put,) = (shape for shape in target.shapes if shape not in second.shapes)
        chosen = next(shape for shape in first.shapes if shape.pair == put.pair)
        anchor = max((each for each in second.shapes if each.y == put.y and each.x < put.x), key=lambda each: each.x)
        return Imagined((first, second), (chosen, anchor), instruction, target)
    scene = draw.placed_scene()
    shape = draw.pick(scene.shapes)
    instruction, target = CHANGES[operation](draw, scene, shape)
    return Imagined((scene,), (shape,), instruction, target)


class DemoWriter(Worker):
    """Answers the prompts of `DemoPromptGenerator`."""

    batching = Batching(max_batch=256)

    def fingerprint(self) -> Mapping[str, JSON]:
        """It changes with the world and its phrasings."""
        return {"model": "drawn world", "revision": 1}

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer per job."""
        return [_answer(read_brief(job.request.prompt)) for job in batch]


def _answer(brief: Brief | None) -> Answer:
    if brief is None or brief.operation not in demo_taxonomy().operations:
        return Answer(error=Failure("fatal", "the demo writes only of its drawn world: use a language model"))
    known = imagine(brief, brief.language, 0)
    fields = {
        name: caption(scene, brief.language)
        for name, scene in zip(brief.suffixed("description"), known.scenes, strict=True)
    }
    if brief.names_target:
        fields |= {
            name: subject(shape, brief.language)
            for name, shape in zip(brief.suffixed("target"), known.named, strict=True)
        }
    for language in brief.languages:
        # Those that training used: the last phrasing is held out.
        said = {imagine(brief, language, k).instruction for k in range(len(PHRASINGS[brief.operation][language]) - 1)}
        by_length = sorted(said, key=lambda text: (len(text), text))
        fields |= {f"{length}_{language}": by_length[k] for length, k in zip(LENGTHS, (0, -1), strict=True)}
    return Answer(text=orjson.dumps(fields).decode())


class DemoPromptGenerator(EditPromptGenerator):
    """`EditPromptGenerator` for the demo model; its rows say what has to come out.

    Args:
        n: rows wanted.
        seed: other rows for another one.
        languages: "en", "zh" or both.
        operations: what to ask for, in equal shares; any of `demo_taxonomy()`.
    """

    def __init__(
        self,
        *,
        n: int = 16,
        seed: int = 0,
        languages: Sequence[str] = LANGUAGES,
        operations: Sequence[str] = SHOWN,
    ) -> None:
        mix = dict.fromkeys(operations, 1.0)
        super().__init__(DemoWriter(), demo_taxonomy(), mix=mix, languages=languages, n=n, seed=seed)

    def steps(self, row: Row, columns: Columns) -> Asking[Sequence[Row]]:
        """As ever, with the truth beside it."""
        written = yield from super().steps(row, columns)
        known = imagine(row["brief"], row["brief"].language, 0)
        truth = as_truth({"input_image": known.scenes, "edited_images": [known.target]})
        return [{**{name: value for name, value in each.items() if name != "style"}, TRUTH: truth} for each in written]

"""What writes in the demo: it needs no model, since what it is asked follows from the brief, or from what it sees."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import orjson
from PIL import Image

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.worker import Batching, Worker
from dataflow.demo.brief_edit import imagine
from dataflow.demo.picture_edits import NoWordsError, forms, go_on, lead
from dataflow.demo.reading import read
from dataflow.demo.wording import caption, subject
from dataflow.demo.world import Scene
from dataflow.errors import Failure
from dataflow.taxonomy.brief import Brief, read_brief
from dataflow.taxonomy.seen import SeenBrief, read_seen
from dataflow.taxonomy.taxonomy import Taxonomy, read_taxonomy


@cache
def demo_taxonomy() -> Taxonomy:
    """The edits of the drawn world."""
    return read_taxonomy(Path(__file__).with_name("taxonomy.yaml"))


class DemoWriter(Worker):
    """Answers the prompts of `DemoPromptGenerator`, and those about pictures that it is shown."""

    batching = Batching(max_batch=256)

    def fingerprint(self) -> Mapping[str, JSON]:
        """It changes with the world and its phrasings."""
        return {"model": "drawn world", "revision": 1}

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer per job."""
        return await asyncio.to_thread(lambda: [self.written(job.request) for job in batch])

    def written(self, request: Request) -> Answer:
        """What it writes to one request."""
        first = request.turns[0] if request.turns else None  # it is asked again, and what it can say it said
        prompt, images = (first.text, first.images) if first else (request.prompt, request.images)
        seen = read_seen(prompt)
        return _answer(read_brief(prompt)) if seen is None else _seen(*seen, images)


def _seen(brief: SeenBrief, offered: Sequence[str], images: Sequence[str]) -> Answer:
    scenes = []
    for path in images:
        with Image.open(path) as picture:
            scenes.append(read(picture))
    known = [scene for scene in scenes if isinstance(scene, Scene)]
    try:
        if len(known) < len(scenes):
            raise NoWordsError
        fields = go_on(brief, offered, known[0]) if brief.asks == "next" else lead(brief, *known)
    except NoWordsError:
        return Answer(text="I cannot say it in words of the drawn world.")
    return Answer(text=orjson.dumps(fields).decode())


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
    fields |= forms(brief.languages, brief.operation, lambda *form: imagine(brief, *form).instruction)
    return Answer(text=orjson.dumps(fields).decode())

"""The writer of the demo, which needs no model: its answers follow from the brief, or from the pictures it is shown."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import orjson
from PIL import Image

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.worker import Batching, Worker
from dataflow.demo.brief_edit import edit_for
from dataflow.demo.picture_edits import NoWordsError, edit_between, instruction_forms, next_edit
from dataflow.demo.reading import read
from dataflow.demo.wording import caption, subject
from dataflow.demo.world import Scene
from dataflow.errors import Failure
from dataflow.taxonomy.brief import Brief, read_brief
from dataflow.taxonomy.picture_brief import PictureBrief, read_picture_prompt
from dataflow.taxonomy.taxonomy import Taxonomy, read_taxonomy


@cache
def demo_taxonomy() -> Taxonomy:
    """The taxonomy of the drawn world's edits."""
    return read_taxonomy(Path(__file__).with_name("taxonomy.yaml"))


class DemoWriter(Worker):
    """Answers the prompts of `DemoPromptGenerator`, and prompts for edits of pictures that the request shows."""

    batching = Batching(max_batch=256)

    def fingerprint(self) -> Mapping[str, JSON]:
        """The revision of the drawn world; it must rise when the world or its phrasings change."""
        return {"model": "drawn world", "revision": 1}

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Answer each job, in order."""
        return await asyncio.to_thread(lambda: [self.written(job.request) for job in batch])

    def written(self, request: Request) -> Answer:
        """Answer one request."""
        # A request with turns asks for a better answer than the first; this writer can only give its first one again.
        first = request.turns[0] if request.turns else None
        prompt, images = (first.text, first.images) if first else (request.prompt, request.images)
        seen = read_picture_prompt(prompt)
        return _from_brief(read_brief(prompt)) if seen is None else _from_pictures(*seen, images)


def _from_pictures(brief: PictureBrief, offered: Sequence[str], images: Sequence[str]) -> Answer:
    """The answer to a brief about pictures: the edit between two of them, or the next edit of one.

    Args:
        brief: says which of the two is asked for.
        offered: for the next edit, the names of the operations to choose from.
        images: the paths of the pictures.
    """
    scenes = []
    for path in images:
        with Image.open(path) as picture:
            scenes.append(read(picture))
    known = [scene for scene in scenes if isinstance(scene, Scene)]
    try:
        if len(known) < len(scenes):
            raise NoWordsError
        fields = next_edit(brief, offered, known[0]) if brief.asks == "next" else edit_between(brief, *known)
    except NoWordsError:
        return Answer(text="I cannot say it in words of the drawn world.")
    return Answer(text=orjson.dumps(fields).decode())


def _from_brief(brief: Brief | None) -> Answer:
    """The answer to a brief without pictures: descriptions and instructions of the edit that follows from the brief."""
    if brief is None or brief.operation not in demo_taxonomy().operations:
        return Answer(error=Failure("fatal", "the demo writes only of its drawn world: use a language model"))
    known = edit_for(brief, brief.language, 0)
    fields = {
        name: caption(scene, brief.language)
        for name, scene in zip(brief.suffixed("description"), known.scenes, strict=True)
    }
    if brief.names_target:
        fields |= {
            name: subject(shape, brief.language)
            for name, shape in zip(brief.suffixed("target"), known.named, strict=True)
        }
    fields |= instruction_forms(brief.languages, brief.operation, lambda *form: edit_for(brief, *form).instruction)
    return Answer(text=orjson.dumps(fields).decode())

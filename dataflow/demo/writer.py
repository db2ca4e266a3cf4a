"""What writes in the demo: it needs no model, since what a brief asks for follows from the brief."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import orjson

from dataflow.core.records import JSON, Answer, Job
from dataflow.core.worker import Batching, Worker
from dataflow.demo.imagined import imagine
from dataflow.demo.phrases import PHRASINGS
from dataflow.demo.saying import caption, subject
from dataflow.errors import Failure
from dataflow.taxonomy.brief import Brief, read_brief
from dataflow.taxonomy.taxonomy import LENGTHS, Taxonomy, read_taxonomy


@cache
def demo_taxonomy() -> Taxonomy:
    """The edits of the drawn world."""
    return read_taxonomy(Path(__file__).with_name("taxonomy.yaml"))


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

"""A worker that measures what an edit changed, without a model or the network, in some 30 ms of CPU for each picture.

The worker measures and an operator decides: the measures are in the journal, so other limits need no new measurement.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence

from dataflow.core.records import JSON, Answer, Job
from dataflow.core.worker import Limits, Worker
from dataflow.errors import Failure, RowError
from dataflow.gates.measured import ASKED, VERSION, gauging
from dataflow.io import ImageIO
from dataflow.io.masks import read_mask

__all__ = ["PixelGauge", "gauging"]


class PixelGauge(Worker):
    """Answers the requests that `gauging(...)` makes with measures, as JSON that `read_measures` reads.

    Args:
        threads: edits that are measured at the same time; None: as many as there are CPU cores.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.limits = Limits(width=max(1, threads or os.cpu_count() or 1))

    def fingerprint(self) -> Mapping[str, JSON]:
        """The version of the measures."""
        return {"model": "pixel-gauge", "revision": VERSION}

    def mask_problem(self) -> str:
        """Empty: masks count here, since the gauge measures what changed outside of one."""
        return ""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer for each job; a picture that cannot be read fails its own job alone."""
        return [await asyncio.to_thread(_measure, job) for job in batch]


def _measure(job: Job) -> Answer:
    from dataflow.gates.measures import compare

    request, facts, reader = job.request, job.pictures(), ImageIO("")
    if request.prompt != ASKED or len(request.images) < 2:
        return Answer(error=Failure("fatal", "PixelGauge answers the requests that gauging(...) makes, no others"))
    try:
        *sources, edited = (reader.read(path, facts[path]) for path in request.images)
        mask = None if request.mask is None else read_mask(request.mask, facts[request.mask])
    except RowError as error:
        return Answer(error=Failure("retry", str(error), retries=0))
    return Answer(text=compare(sources, edited, mask).as_json())

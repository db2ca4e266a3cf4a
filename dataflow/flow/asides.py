"""What goes on beside a step's rows: requests that are asked only along with others, and side outputs."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dataflow.core.records import Answer, Side
from dataflow.errors import Failure
from dataflow.judging import no_ops
from dataflow.judging.verdict import EDITS_ACCEPTED, EDITS_REJECTED, EDITS_UNJUDGED

if TYPE_CHECKING:
    from dataflow.flow.walk import Walk
    from dataflow.utils.step_writer import StepWriter

log = logging.getLogger(__name__)

COUNTED = (*no_ops.COUNTED, EDITS_ACCEPTED, EDITS_REJECTED, EDITS_UNJUDGED)
"""Names of what a summary counts among the side outputs; none is a file."""

_NOT_ASKED = Answer(
    error=Failure("failed", "it is asked only along with other requests, and all of those are answered")
)


def leave_out_asides(walks: Iterable["Walk"]) -> None:
    """Ask none of what walks ask beside their own requests where all of those are answered."""
    for walk in walks:
        # A row may ask the same for itself: its edit has the bytes of its source.
        if walk.missing and all(job.request.along for job in walk.jobs if job.id in walk.missing):
            walk.known |= dict.fromkeys(walk.missing, _NOT_ASKED)
            walk.missing.clear()


def own_digests(walk: "Walk") -> list[bytes]:
    """What stands for each request that a walk asks for itself: what is asked beside them makes no other row of it."""
    return [digest for digest, request in zip(walk.digests, walk.wave, strict=True) if not request.along]


def write_sides(sides: Sequence[Side], writer: "StepWriter") -> Iterator[str]:
    """Write the rows of side outputs, and give the name of each, also of those that are counted alone."""
    for side in sides:
        if side.name not in COUNTED:
            writer.side(side.name, side.row)
        yield side.name


def warn_of_no_ops(sides: Mapping[str, int]) -> None:
    """Say that the judge accepts edits which changed nothing, if it does."""
    if accepted := sides.get(no_ops.ACCEPTED):
        log.warning(
            "the judge accepted %d of %d pictures that it was shown as edits of themselves: it does not see that"
            " nothing was changed, so look at what it accepted, and let gates go first",
            accepted, sides[no_ops.ASKED],
        )  # fmt: skip

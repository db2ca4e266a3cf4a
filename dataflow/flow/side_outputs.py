"""What becomes of the side outputs that a row's generator returned: files, and figures that are only counted."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dataflow.core.records import Side
from dataflow.judging import no_ops
from dataflow.judging.verdict import EDITS_ACCEPTED, EDITS_REJECTED, EDITS_UNJUDGED

if TYPE_CHECKING:
    from dataflow.utils.step_writer import StepWriter

log = logging.getLogger(__name__)

COUNTED = (*no_ops.COUNTED, EDITS_ACCEPTED, EDITS_REJECTED, EDITS_UNJUDGED)
"""Names that a summary counts among the side outputs although no file of that name is written."""


def write_sides(sides: Sequence[Side], writer: "StepWriter") -> Iterator[str]:
    """Write each row to the file of its side output, and yield the name of every side, those of `COUNTED` included."""
    for side in sides:
        if side.name not in COUNTED:
            writer.side(side.name, side.row)
        yield side.name


def warn_of_no_ops(sides: Mapping[str, int]) -> None:
    """Warn if the judge accepted edits that changed nothing.

    Args:
        sides: name of a side output → rows of it; `no_ops.COUNTED` are the names of the check of the judge.
    """
    if accepted := sides.get(no_ops.ACCEPTED):
        log.warning(
            "the judge accepted %d of %d pictures that it was shown as edits of themselves: it does not see that"
            " nothing was changed, so look at what it accepted, and let gates go first",
            accepted, sides[no_ops.ASKED],
        )  # fmt: skip

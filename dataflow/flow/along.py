"""Requests that are asked only along with others of their wave (`Request.along`): no row depends on their answers."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dataflow.core.records import Answer
from dataflow.errors import Failure

if TYPE_CHECKING:
    from dataflow.flow.walk import Walk

_NOT_ASKED = Answer(
    error=Failure("failed", "it is asked only along with other requests, and all of those are answered")
)


def leave_out_along(walks: Iterable["Walk"]) -> None:
    """Fail the requests that a walk asks along with others where the journal answers all of those others."""
    for walk in walks:
        # By id: a row may ask for itself what it asks along too, as where its edit has the bytes of its source.
        if walk.missing and all(job.request.along for job in walk.jobs if job.id in walk.missing):
            walk.known |= dict.fromkeys(walk.missing, _NOT_ASKED)
            walk.missing.clear()


def own_digests(walk: "Walk") -> list[bytes]:
    """The digests of the requests by which a row is told apart from its twins: all but those that are asked along."""
    return [digest for digest, request in zip(walk.digests, walk.wave, strict=True) if not request.along]

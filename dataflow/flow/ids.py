"""The ids of a step's requests: of what is asked, and the others under which an answer counts.

What a worker asks may show only when it is prepared, which a run with nothing to ask never does: it may not even reach
the worker any more. So rows are planned by the fingerprints that are known without that, an answer counts under each
that the worker names, and what is asked has the id of what is asked.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dataflow.core.records import JSON, Job, PictureFacts, Request, digest_fingerprint, digest_request, salt_twin
from dataflow.core.worker import Worker


def wave_digest(digests: Sequence[bytes]) -> bytes:
    """Stands for a wave, given what stands for each of its requests."""
    return digests[0] if len(digests) == 1 else hashlib.blake2b(b"".join(digests), digest_size=16).digest()


class Ids:
    """The ids of one pass.

    Args:
        workers: by the name that requests use.
    """

    def __init__(self, workers: Mapping[str, Worker]) -> None:
        self._workers = workers
        self._fingerprints: dict[bytes, Mapping[str, JSON]] = {}
        self._planned = {name: self._digest(worker.fingerprint()) for name, worker in workers.items()}
        self._asked = dict(self._planned)
        self._others: dict[str, list[bytes]] = {name: [] for name in workers}
        for name in workers:
            self._note_others(name)
        self._counted: dict[str, list[bytes]] = {name: [] for name in workers}

    def renew(self) -> bool:
        """Read the fingerprints, once more after the workers were prepared; whether some of them changed."""
        before = dict(self._asked)
        for name, worker in self._workers.items():
            self._asked[name] = self._digest(worker.fingerprint())
            self._note_others(name, before[name])
        return before != self._asked

    def plan(self, request: Request, facts: Sequence[PictureFacts]) -> bytes:
        """What tells rows with the same first wave apart: it stays as it is for the whole pass."""
        return _digest_request(request, self._planned[request.worker], facts)

    def job(self, request: Request, facts: tuple[PictureFacts, ...], planned: bytes, twin: int) -> Job:
        """A request with the id of what is asked.

        Args:
            request: what is asked.
            facts: of each of its pictures.
            planned: as `plan` made it.
            twin: how many rows before have the same first wave.
        """
        asked = self._asked[request.worker]
        digest = planned if asked == self._planned[request.worker] else _digest_request(request, asked, facts)
        return Job(salt_twin(digest, twin), request, facts)

    def others(self, job: Job, twin: int) -> dict[bytes, Job]:
        """The job under every other id that an answer to it may have, by the fingerprint that is in it."""
        return {
            print_: replace(job, id=salt_twin(_digest_request(job.request, print_, job.facts), twin))
            for print_ in self._others[job.request.worker]
        }

    def count(self, worker: str, fingerprint: bytes | None = None) -> None:
        """Note that answers of a worker have this fingerprint in their ids; None: that of what is asked."""
        fingerprint = fingerprint or self._asked[worker]
        if fingerprint not in self._counted[worker]:
            self._counted[worker].append(fingerprint)

    def fingerprints(self, worker: str) -> list[Mapping[str, JSON]]:
        """Those in the ids of the answers of this pass, where there are any: that of what is asked comes first."""
        if not self._others[worker]:
            return [self._workers[worker].fingerprint()]
        asked = self._asked[worker]
        counted = sorted(self._counted[worker], key=lambda each: each != asked) or [asked]
        return [self._fingerprints[each] for each in counted]

    def _note_others(self, name: str, *before: bytes) -> None:
        """Keep what rows were planned by, too: what was found so is found again when its row is written."""
        listed = [self._digest(each) for each in self._workers[name].other_fingerprints()]
        others = dict.fromkeys((*before, *self._others[name], *listed))
        self._others[name] = [each for each in others if each != self._asked[name]]

    def _digest(self, fingerprint: Mapping[str, JSON]) -> bytes:
        digest = digest_fingerprint(fingerprint)
        self._fingerprints[digest] = fingerprint
        return digest


def _digest_request(request: Request, fingerprint: bytes, facts: Sequence[PictureFacts]) -> bytes:
    images = {path: each.sha256 for path, each in zip(request.all_files(), facts, strict=True)}
    return digest_request(request, fingerprint, images)

"""The ids of a step's requests: the id that a request is asked by, and others under which an answer to it counts.

A worker may know its complete fingerprint only after `prepare`. A run whose rows are all answered never prepares its
workers, whose server may not even exist any more. So rows are planned by the fingerprints that workers have before
`prepare`; an answer counts under every fingerprint that a worker names; and a request that is sent has the id with the
fingerprint that its worker has at that time.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dataflow.core.records import JSON, Job, PictureFacts, Request, digest_fingerprint, digest_request, salt_twin
from dataflow.core.worker import Worker


def wave_digest(digests: Sequence[bytes]) -> bytes:
    """The digest of a wave, by which twins are found.

    Args:
        digests: of the requests of the wave, 16 bytes each, at least one.
    """
    return digests[0] if len(digests) == 1 else hashlib.blake2b(b"".join(digests), digest_size=16).digest()


class Ids:
    """Makes the ids of the requests of one pass.

    Args:
        workers: name in requests → worker.
    """

    def __init__(self, workers: Mapping[str, Worker]) -> None:
        self._workers = workers
        self._fingerprints: dict[bytes, Mapping[str, JSON]] = {}
        self._planned = {name: self._digest(worker.fingerprint()) for name, worker in workers.items()}
        self._asked = dict(self._planned)  # name of a worker → digest of the fingerprint that it is asked by
        self._others: dict[str, list[bytes]] = {name: [] for name in workers}  # further ones
        for name in workers:
            self._note_others(name)
        self._counted: dict[str, list[bytes]] = {name: [] for name in workers}  # digests in the ids of known answers

    def renew(self) -> bool:
        """Read the fingerprints again, now that the workers are prepared; returns whether any has changed."""
        before = dict(self._asked)
        for name, worker in self._workers.items():
            self._asked[name] = self._digest(worker.fingerprint())
            self._note_others(name, before[name])
        return before != self._asked

    def plan(self, request: Request, facts: Sequence[PictureFacts]) -> bytes:
        """The digest of a request under the fingerprint by which rows are planned; it is constant for the pass.

        Args:
            request: with absolute paths.
            facts: of each of its pictures, in the order of `Request.all_files`.
        """
        return _digest_request(request, self._planned[request.worker], facts)

    def job(self, request: Request, facts: tuple[PictureFacts, ...], planned: bytes, twin: int) -> Job:
        """The job of a request, with the id that it is asked by.

        Args:
            request: with absolute paths.
            facts: of each of its pictures, in the order of `Request.all_files`.
            planned: the digest that `plan` returned for it.
            twin: how many earlier rows have the same first wave.
        """
        asked = self._asked[request.worker]
        digest = planned if asked == self._planned[request.worker] else _digest_request(request, asked, facts)
        return Job(salt_twin(digest, twin), request, facts)

    def others(self, job: Job, twin: int) -> dict[bytes, Job]:
        """Digest of a further fingerprint → the job under the id with it, under which an answer counts too."""
        return {
            fingerprint: replace(job, id=salt_twin(_digest_request(job.request, fingerprint, job.facts), twin))
            for fingerprint in self._others[job.request.worker]
        }

    def count(self, worker: str, fingerprint: bytes | None = None) -> None:
        """Note that an answer of a worker has this fingerprint in its id; None: the one that the worker is asked by."""
        fingerprint = fingerprint or self._asked[worker]
        if fingerprint not in self._counted[worker]:
            self._counted[worker].append(fingerprint)

    def fingerprints(self, worker: str) -> list[Mapping[str, JSON]]:
        """The fingerprints in the ids of a worker's answers in this pass; the one that it is asked by comes first.

        If there are no answers, it is the one that the worker is asked by.
        """
        if not self._others[worker]:
            return [self._workers[worker].fingerprint()]
        asked = self._asked[worker]
        counted = sorted(self._counted[worker], key=lambda digest: digest != asked) or [asked]
        return [self._fingerprints[digest] for digest in counted]

    def _note_others(self, name: str, *before: bytes) -> None:
        """Read the further fingerprints of a worker; those that were known before stay.

        An answer that was found under one of them while its row was planned must be found again when the row is
        written.
        """
        listed = [self._digest(fingerprint) for fingerprint in self._workers[name].other_fingerprints()]
        others = dict.fromkeys((*before, *self._others[name], *listed))
        self._others[name] = [digest for digest in others if digest != self._asked[name]]

    def _digest(self, fingerprint: Mapping[str, JSON]) -> bytes:
        digest = digest_fingerprint(fingerprint)
        self._fingerprints[digest] = fingerprint
        return digest


def _digest_request(request: Request, fingerprint: bytes, facts: Sequence[PictureFacts]) -> bytes:
    images = {path: fact.sha256 for path, fact in zip(request.all_files(), facts, strict=True)}
    return digest_request(request, fingerprint, images)

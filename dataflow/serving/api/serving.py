"""A serving over an OpenAI-compatible address, in our own words; the guide's classes name its settings.

Everything slow runs in threads: reading and encoding pictures, decoding and saving replies. The
event loop only moves bytes.
"""

import asyncio
import logging
import math
import os
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Self
from urllib.parse import urlsplit

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.retry import RetryPolicy
from dataflow.core.worker import Batching, Billing, Limits
from dataflow.errors import AnswerError, ConfigError, Failure, RowError
from dataflow.io.decode import BadPicture
from dataflow.io.header import header_size
from dataflow.io.image import ImageIO
from dataflow.serving.api.batch_setup import IN_BATCHES, ROWS_AT_ONCE, check_batches, open_desk
from dataflow.serving.api.batches.contract import Rhythm
from dataflow.serving.api.batches.desk import BatchDesk
from dataflow.serving.api.batches.retrying import POLICY, in_batch
from dataflow.serving.api.billing import billing_of
from dataflow.serving.api.connection import Connection, connect
from dataflow.serving.api.failures.attempts import Asked, Attempt, attempt_of
from dataflow.serving.api.failures.catalogue import CUT_OFF, REFUSALS
from dataflow.serving.api.failures.classify import classify
from dataflow.serving.api.failures.doubts import Doubts
from dataflow.serving.api.failures.waits import stated_rate
from dataflow.serving.api.fleet import Fleet, kind_of
from dataflow.serving.api.http.links import fetch_linked
from dataflow.serving.api.settings import ADDRESS_VARIABLE, ApiSettings
from dataflow.serving.api.wire import Wire, count_engines, refused_fields, wires_of
from dataflow.serving.base import TRUNCATED, ServingABC
from dataflow.serving.dialects.reply import Post, Reply, UrlRef
from dataflow.utils.files import sha256_hex
from dataflow.utils.held import until_stored

log = logging.getLogger(__name__)

_SMALL_BODY = 64 << 10
# A picture in a form we do not know is text to us: not for the journal.
_KEPT_TEXT = 10_000


class ApiServing(ServingABC):
    """Answers requests through one address, or several that serve the same model.

    The key is read when it is needed, and kept nowhere else.
    """

    # Rate limits count by the minute: the waits must add up to more than one.
    retry = RetryPolicy(retries=8)
    rhythm = Rhythm()
    first_contact = 5.0  # seconds in which an address must take its first connection

    def __new__(cls, *_: object, on_ambiguous: str | None = None, **__: object) -> Self:
        """Refuse a parameter of earlier versions, which no signature names any more.

        Raises:
            ConfigError: it is given.
        """
        if on_ambiguous is not None:
            raise ConfigError(
                f"on_ambiguous={on_ambiguous!r}: leave it out. A request that may have been paid without an answer"
                " is asked once more, and counted"
            )
        return super().__new__(cls)

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self.limits = Limits(*settings.widths(0), per_minute=settings.requests_per_minute or math.inf)
        self.makes = "text" if settings.image_io is None else "image"
        self.save_path = "" if settings.image_io is None else settings.image_io.save_path
        self._pictures_in = settings.image_io or ImageIO(save_path=os.devnull)
        self._doubts = Doubts(repr(self))
        self._warned: set[str] = set()
        self._unreached_since: float | None = None
        self._fleet: Fleet[Connection] | None = None
        self._desk: BatchDesk | None = None
        if settings.batch:
            self.limits = Limits(width=IN_BATCHES, lookahead=ROWS_AT_ONCE)
            self.retry = POLICY

    def __repr__(self) -> str:
        first, *others = str(self.settings.address or "").split(",")
        host = urlsplit(first.strip()).hostname or ADDRESS_VARIABLE
        more = f" and {len(others)} more" if others else ""
        return f"{type(self).__name__}(model {self.settings.model!r} at {host}{more})"

    def fingerprint(self) -> Mapping[str, JSON]:
        """The model and what changes its answers."""
        return {"model": self.settings.model, **self.settings.sampling, "extra_body": dict(self.settings.extra_body)}

    def billing(self) -> Billing:
        """Whoever is behind the address charges for the model by name."""
        return billing_of(self.settings)

    def prepare(self) -> None:
        """Check model, address and key, without a request.

        Raises:
            ConfigError: one of them is missing or wrong.
        """
        if not self.settings.model:
            raise ConfigError("no model_name: name the model as the provider does")
        wires = wires_of(self.settings)
        keys = [wire.read_key() for wire in wires]
        if self.settings.batch:
            check_batches(wires)
        else:
            engines = count_engines(wires)
            self.batching = Batching(groups=engines > 0)
            width, at_first = self.settings.widths(engines)
            account = (tuple(wire.address for wire in wires), sha256_hex(keys[0].encode()), self.settings.model)
            self.limits = replace(self.limits, width=width, width_at_first=at_first, account=account)
        for wire in wires:
            if wire.address.startswith("http://") and not wire.is_own_server and wire.host not in self._warned:
                self._warned.add(wire.host)
                log.warning("key and pictures travel unencrypted to %s: use https if it is offered", wire.host)

    def batch_key(self, request: Request) -> Hashable:
        """The size that comes out, as far as it can be told beforehand, and how many pictures go in.

        Engines draw requests of one size together, and in order of arrival.
        """
        if request.makes == "text":
            return None
        images = request.all_images()
        try:
            size = header_size(images[0]) if images and request.size is None else request.size
        except (OSError, BadPicture):
            return None
        return size, len(images)

    async def setup(self) -> None:
        """Open the connections' pool; nothing is sent yet."""
        wires = wires_of(self.settings)
        if not self.settings.batch:
            width, _ = self.settings.widths(count_engines(wires))
            self.limits = replace(self.limits, width=width)
        opened = await connect(wires, width=self.limits.width)
        named = {connection.wire.address: connection for connection in opened}
        patience = self.settings.patience if self.batching.groups else math.inf
        self._fleet = Fleet(named, width=self.limits.width // len(named), probe=self.retry.probe, patience=patience)
        if self.settings.batch:
            self._desk = await open_desk(opened[0].wire, self.rhythm)

    def let_go(self) -> None:
        """Batches go on at the provider; what waits for them here is told so."""
        if self._desk is not None:
            self._desk.let_go()

    async def close(self) -> None:
        """Close the connections."""
        desk, self._desk = self._desk, None
        if desk is not None:
            await desk.close()
        fleet, self._fleet = self._fleet, None
        for replica in fleet.replicas if fleet is not None else ():
            await replica.connection.close()

    def recover(self, job: Job) -> Answer | None:
        """The pictures of this id that were saved but never journalled."""
        if job.request.makes != "image" or self.settings.image_io is None:
            return None
        found = self.settings.image_io.find(job.id)
        return Answer(pictures=found) if found else None

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer for the one job of a batch."""
        return [await self._settled(job) for job in batch]

    async def _settled(self, job: Job) -> Answer:
        """The answer, with its failure as it is to be believed."""
        sent_at = self._doubts.halvings
        answer = await self._answer(job)
        failure = self._doubts.settle(job.id, sent_at, answer.error)
        return answer if failure is answer.error else replace(answer, error=failure)

    async def _answer(self, job: Job) -> Answer:
        """Ask the replica whose turn it is, and another where that one cannot answer."""
        if (fleet := self._fleet) is None:
            raise RuntimeError("call before setup")
        if self._desk is not None:
            return await self._by_batch(job, fleet.replicas[0].connection, self._desk)
        answer, reached = await fleet.ask(kind_of(job.request), job.id, partial(self._ask, job))
        if self.batching.groups:
            self.limits = replace(self.limits, width=fleet.width)
        if reached is not None and self._is_nobody_there(reached=reached) and answer.error is not None:
            return replace(answer, error=answer.error.last_word("fatal"))
        return answer

    async def _ask(self, job: Job, at: Connection) -> tuple[Answer, bool | None]:
        """The answer of one address, and whether it took the connection; None if nothing was sent.

        Fields that it refuses by name are left out from then on.
        """
        if problem := at.wire.problem(job.request):
            return Answer(error=Failure("fatal", problem)), None
        while True:
            extras = at.wire.extras(job, at.refused)
            try:
                post = await asyncio.to_thread(self._encode, at.wire, job.request, extras)
            except RowError as error:
                return Answer(error=Failure("retry", str(error), retries=0)), None
            async with at.endpoint.send(post) as received:
                a_minute = min(stated_rate(received.headers), self.settings.requests_per_minute or math.inf)
                self.limits = replace(self.limits, per_minute=a_minute)
                refused = refused_fields(received.status, received.body, extras)
                if not refused:
                    answer = await self._understand(job, received, at, at.wire.asked(post.path))
                    return answer, received.on != "unconnected"
            log.info("%s does not take %s: left out from now on", at.wire.address, ", ".join(sorted(refused)))
            at.refused |= refused

    async def _by_batch(self, job: Job, at: Connection, desk: BatchDesk) -> Answer:
        """The answer out of a batch file."""
        if problem := at.wire.problem(job.request):
            return Answer(error=Failure("fatal", problem))
        extras = at.wire.extras(job, at.refused)
        try:
            async with desk.send(job.id, partial(self._encode, at.wire, job.request, extras)) as (received, path):
                if refused := refused_fields(received.status, received.body, extras):
                    at.refused |= refused
                    reason = f"{at.wire.address} does not take {', '.join(sorted(refused))}"
                    return Answer(error=Failure("retry", reason, retries=len(extras)))
                answer = await self._understand(job, received, at, at.wire.asked(path))
        except RowError as error:
            return Answer(error=Failure("retry", str(error), retries=0))
        except AnswerError as error:
            return Answer(error=error.failure)
        return replace(answer, error=answer.error and in_batch(answer.error))

    async def _understand(self, job: Job, received: Attempt, at: Connection, asked: Asked) -> Answer:
        if received.on != "answered":
            return Answer(error=classify(received, asked))
        read = partial(self._read, job, received, at.wire, asked)
        answer, links = await until_stored(read, here=len(received.body) <= _SMALL_BODY)
        if links is None:
            return answer
        found = await fetch_linked(at.fetcher, links)
        if isinstance(found, Failure):
            return _failed(answer, found)
        return await until_stored(partial(self._save, job.id, found, answer))

    def _read(
        self, job: Job, received: Attempt, wire: Wire, asked: Asked
    ) -> tuple[Answer, Sequence[bytes | UrlRef] | None]:
        """The answer; or what it has so far, and its pictures, when some of them must be fetched first."""
        reply = wire.dialect.decode(received.body)
        answer = Answer(text=reply.text, usage=reply.usage)
        if not _is_answer(reply, job.request):
            return _failed(answer, classify(attempt_of(reply, received), asked)), None
        if job.request.makes == "text":
            cut = {reply.finish.lower(), reply.native_finish.lower()} & CUT_OFF
            return replace(answer, usage={**reply.usage, TRUNCATED: 1.0}) if cut else answer, None
        held = [each for each in reply.images if isinstance(each, bytes)]
        if len(held) < len(reply.images):
            return answer, reply.images
        return self._save(job.id, held, answer), None

    def _save(self, request_id: str, pictures: Sequence[bytes], answer: Answer) -> Answer:
        assert self.settings.image_io is not None
        try:
            return replace(answer, pictures=self.settings.image_io.save(request_id, pictures))
        except AnswerError as error:
            return _failed(answer, error.failure)

    def _is_nobody_there(self, *, reached: bool) -> bool:
        """Whether addresses that never took a connection have had their time: a typing error, not an outage."""
        if reached:
            self._unreached_since = math.inf
        elif self._unreached_since is None:
            self._unreached_since = time.monotonic()
        return self._unreached_since is not None and time.monotonic() - self._unreached_since > self.first_contact

    def _encode(self, wire: Wire, request: Request, extras: Mapping[str, JSON]) -> Post:
        pictures = {path: self._pictures_in.encoded(path) for path in dict.fromkeys(request.all_images())}
        return wire.encode(request, pictures, extras)


def _failed(answer: Answer, failure: Failure) -> Answer:
    failure = replace(failure, usage=failure.usage or dict(answer.usage))
    return replace(answer, text=answer.text[:_KEPT_TEXT], error=failure)


def _is_answer(reply: Reply, request: Request) -> bool:
    if request.makes == "image":
        return bool(reply.images)
    refused = {reply.finish.lower(), reply.native_finish.lower()} & REFUSALS
    return bool(reply.text) and reply.error is None and reply.trouble in ("", "bad_picture") and not refused

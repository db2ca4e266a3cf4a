"""A serving over an OpenAI-compatible address, in our own words; the guide's classes name its settings.

Everything slow runs in threads: reading and encoding pictures, decoding and saving replies. The
event loop only moves bytes.
"""

import asyncio
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.retry import RetryPolicy
from dataflow.errors import AnswerError, ConfigError, FatalAnswer, RowError, TransientAnswer
from dataflow.io.image import ImageIO
from dataflow.serving.api.address import is_private
from dataflow.serving.api.attempts import Asked, Attempt, attempt_of
from dataflow.serving.api.catalogue import CUT_OFF, REFUSALS
from dataflow.serving.api.doubts import Doubts, decide_ambiguous
from dataflow.serving.api.endpoint import Endpoint
from dataflow.serving.api.failures import classify
from dataflow.serving.api.fetch import PictureFetcher
from dataflow.serving.api.links import fetch_linked
from dataflow.serving.api.settings import ADDRESS_VARIABLE, ApiSettings, host_of
from dataflow.serving.api.wire import Wire, refused_fields, wire_of
from dataflow.serving.base import TRUNCATED, ServingABC
from dataflow.serving.dialects.reply import Post, Reply, UrlRef
from dataflow.utils.held import until_stored

log = logging.getLogger(__name__)

_SMALL_BODY = 64 << 10
_FIRST_CONTACT = 5.0  # seconds in which an address must take its first connection
# A picture in a form we do not know is text to us: not for the journal.
_KEPT_TEXT = 10_000


class ApiServing(ServingABC):
    """Answers requests through one address; the key is read when it is needed, and kept nowhere else."""

    # Rate limits count by the minute: the waits must add up to more than one.
    retry = RetryPolicy(retries=8)

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self.width = settings.width
        self.makes = "text" if settings.image_io is None else "image"
        self.save_path = "" if settings.image_io is None else settings.image_io.save_path
        self._pictures_in = settings.image_io or ImageIO(save_path=os.devnull)
        self._doubts = Doubts(repr(self))
        self._refused: frozenset[str] = frozenset()
        self._warned = False
        self._unreached_since: float | None = None
        self._endpoint: Endpoint | None = None
        self._wire: Wire | None = None
        self._fetcher: PictureFetcher | None = None

    def __repr__(self) -> str:
        host = urlsplit(self.settings.address or "").hostname
        return f"{type(self).__name__}(model {self.settings.model!r} at {host or ADDRESS_VARIABLE})"

    def fingerprint(self) -> Mapping[str, JSON]:
        """The model and what changes its answers."""
        return {"model": self.settings.model, **self.settings.sampling, "extra_body": dict(self.settings.extra_body)}

    def prepare(self) -> None:
        """Check model, address and key, without a request.

        Raises:
            ConfigError: one of them is missing or wrong.
        """
        if not self.settings.model:
            raise ConfigError("no model_name: name the model as the provider does")
        address = self.settings.read_address()
        self.settings.read_key()
        if address.startswith("http://") and not is_private(host_of(address)) and not self._warned:
            self._warned = True
            log.warning("key and pictures travel unencrypted to %s: use https if it is offered", host_of(address))

    async def setup(self) -> None:
        """Open the connections' pool; nothing is sent yet."""
        address = self.settings.read_address()
        self._wire = wire_of(self.settings)
        self._fetcher = PictureFetcher(address)
        self._endpoint = await asyncio.to_thread(
            Endpoint,
            address,
            self.settings.read_key(),
            key_header=self._wire.key_header,
            width=self.settings.width,
            timeout=self.settings.timeout,
            connect=self.settings.connect_timeout,
            openai_account=self._wire.provider.openai_account,
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._fetcher is not None:
            await self._fetcher.close()
        if self._endpoint is not None:
            await self._endpoint.close()
        self._fetcher = self._endpoint = None

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
        """The answer, with its error as it is to be believed and as the user wants it handled."""
        sent_at = self._doubts.halvings
        answer = await self._answer(job)
        error = self._doubts.settle(job.id, sent_at, answer.error)
        error = decide_ambiguous(error, self.settings.on_ambiguous)
        return answer if error is answer.error else replace(answer, error=error)

    async def _answer(self, job: Job) -> Answer:
        """Ask; fields that the server refuses by name are left out from then on."""
        if self._endpoint is None or self._wire is None:
            raise RuntimeError("call before setup")
        if problem := self._wire.problem(job.request):
            return Answer(error=FatalAnswer(problem))
        while True:
            extras = self._wire.extras(job, self._refused)
            try:
                post = await asyncio.to_thread(self._encode, self._wire, job.request, extras)
            except RowError as error:
                return Answer(error=TransientAnswer(str(error), retries=0))
            async with self._endpoint.send(post) as received:
                refused = refused_fields(received.status, received.body, extras)
                if not refused:
                    return await self._understand(job, received, self._asked(post.path))
            log.info("%s does not take %s: left out from now on", self, ", ".join(sorted(refused)))
            self._refused |= refused

    async def _understand(self, job: Job, received: Attempt, asked: Asked) -> Answer:
        error = None if received.on == "answered" else classify(received, asked)
        if self._is_nobody_there(received):
            return Answer(error=FatalAnswer(str(error)))
        if error is not None:
            return Answer(error=error)
        read = partial(self._read, job, received, asked)
        answer, links = await until_stored(read, here=len(received.body) <= _SMALL_BODY)
        if links is None or self._fetcher is None:
            return answer
        try:
            found = await fetch_linked(self._fetcher, links)
        except AnswerError as problem:
            return _failed(answer, problem)
        return await until_stored(partial(self._save, job.id, found, answer))

    def _read(self, job: Job, received: Attempt, asked: Asked) -> tuple[Answer, Sequence[bytes | UrlRef] | None]:
        """The answer; or what it has so far, and its pictures, when some of them must be fetched first."""
        assert self._wire is not None
        reply = self._wire.dialect.decode(received.body)
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
        except AnswerError as problem:
            return _failed(answer, problem)

    def _is_nobody_there(self, received: Attempt) -> bool:
        """Whether an address that never took a connection has had its time: a typing error, not an outage."""
        if received.on != "unconnected":
            self._unreached_since = math.inf
        elif self._unreached_since is None:
            self._unreached_since = time.monotonic()
        return self._unreached_since is not None and time.monotonic() - self._unreached_since > _FIRST_CONTACT

    def _encode(self, wire: Wire, request: Request, extras: Mapping[str, JSON]) -> Post:
        pictures = {path: self._pictures_in.encoded(path) for path in dict.fromkeys(request.all_images())}
        return wire.encode(request, pictures, extras)

    def _asked(self, path: str) -> Asked:
        told = self.settings
        assert self._wire is not None
        key_name = "api_key=" if told.key else told.key_name
        fields = {*self._wire.dialect.sampling_fields(told.sampling), *told.extra_body}
        return Asked(told.read_address(), path, told.model, key_name, told.read_key(), frozenset(fields))


def _failed(answer: Answer, error: AnswerError) -> Answer:
    error.usage = error.usage or dict(answer.usage)
    return replace(answer, text=answer.text[:_KEPT_TEXT], error=error)


def _is_answer(reply: Reply, request: Request) -> bool:
    if request.makes == "image":
        return bool(reply.images)
    refused = {reply.finish.lower(), reply.native_finish.lower()} & REFUSALS
    return bool(reply.text) and reply.error is None and reply.trouble in ("", "bad_picture") and not refused

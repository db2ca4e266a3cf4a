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
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal
from urllib.parse import urlsplit

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.retry import RetryPolicy
from dataflow.errors import AnswerError, ConfigError, FatalAnswer, RowError, TransientAnswer
from dataflow.io.image import ImageIO
from dataflow.serving.address import is_private, normalise_address, read_key
from dataflow.serving.attempts import Asked, Attempt, attempt_of
from dataflow.serving.base import ServingABC
from dataflow.serving.catalogue import REFUSALS
from dataflow.serving.dialects import DIALECTS
from dataflow.serving.dialects.reply import Post, Reply, UrlRef
from dataflow.serving.endpoint import Endpoint
from dataflow.serving.failures import classify
from dataflow.serving.fetch import PictureFetcher
from dataflow.serving.providers import provider_of

log = logging.getLogger(__name__)

ADDRESS_VARIABLE = "DF_BASE_URL"
_SMALL_BODY = 64 << 10
_FIRST_CONTACT = 5.0  # seconds in which an address must take its first connection
# A picture in a form we do not know is text to us: not for the journal.
_KEPT_TEXT = 10_000


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """What a serving over HTTP is told.

    Args:
        address: as the user wrote it; None: read from `DF_BASE_URL`.
        key_name: the environment variable that holds the key.
        model: the model's name at the provider.
        image_io: where pictures are stored; None for text only.
        format: which wire format to speak.
        stream: ask for streamed replies.
        width: most requests in flight.
        timeout: seconds for one attempt.
        sampling: fields that change the answers, sent with a chat.
        extra_body: further fields, sent as they are.
    """

    address: str | None
    key_name: str
    model: str
    image_io: ImageIO | None
    format: Literal["chat", "images"] = "chat"
    stream: bool = False
    width: int = 64
    timeout: float = 600.0
    sampling: Mapping[str, JSON] = field(default_factory=dict)
    extra_body: Mapping[str, JSON] = field(default_factory=dict)


class ApiServing(ServingABC):
    """Answers requests through one address; the key is read from the environment when it is needed."""

    # Rate limits count by the minute: the waits must add up to more than one.
    retry = RetryPolicy(retries=8)

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self.width = settings.width
        self.makes = "text" if settings.image_io is None else "image"
        self._pictures_in = settings.image_io or ImageIO(save_path=os.devnull)
        self._refused: frozenset[str] = frozenset()
        self._warned = False
        self._unreached_since: float | None = None
        self._endpoint: Endpoint | None = None
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
        address = self._address()
        read_key(self.settings.key_name, host=_host(address))
        if address.startswith("http://") and not is_private(_host(address)) and not self._warned:
            self._warned = True
            log.warning("key and pictures travel unencrypted to %s: use https if it is offered", _host(address))

    async def setup(self) -> None:
        """Open the connections' pool; nothing is sent yet."""
        address = self._address()
        key = read_key(self.settings.key_name, host=_host(address))
        provider = provider_of(_host(address))
        self._fetcher = PictureFetcher(address)
        self._endpoint = await asyncio.to_thread(
            Endpoint,
            address,
            key,
            width=self.settings.width,
            timeout=self.settings.timeout,
            openai_account=provider.openai_account,
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
        return [await self._answer(job) for job in batch]

    async def _answer(self, job: Job) -> Answer:
        """Ask; fields that the server refuses by name are left out from then on."""
        if problem := self._impossible(job.request):
            return Answer(error=FatalAnswer(problem))
        if self._endpoint is None:
            raise RuntimeError("call before setup")
        while True:
            extras = self._extras(job.request)
            try:
                post = await asyncio.to_thread(self._encode, job.request, extras)
            except RowError as error:
                return Answer(error=TransientAnswer(str(error), retries=0))
            async with self._endpoint.send(post) as received:
                refused = _refused_fields(received, extras)
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
        answer, links = await asyncio.to_thread(read) if len(received.body) > _SMALL_BODY else read()
        if links is None or self._fetcher is None:
            return answer
        try:
            found = [await self._fetcher.fetch(each.url) if isinstance(each, UrlRef) else each for each in links]
        except AnswerError as problem:
            return _failed(answer, problem)
        return await asyncio.to_thread(self._save, job.id, found, answer)

    def _read(self, job: Job, received: Attempt, asked: Asked) -> tuple[Answer, Sequence[bytes | UrlRef] | None]:
        """The answer; or what it has so far, and its pictures, when some of them must be fetched first."""
        reply = DIALECTS[self.settings.format].decode(received.body)
        answer = Answer(text=reply.text, usage=reply.usage)
        if not _is_answer(reply, job.request):
            return _failed(answer, classify(attempt_of(reply, received), asked)), None
        if job.request.makes == "text":
            return answer, None
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

    def _impossible(self, request: Request) -> str:
        """Why this request cannot be asked with these settings; nothing is sent then."""
        if request.makes == "image" and self.settings.image_io is None:
            return "pictures need a place: give the serving image_io=ImageIO(save_path=...)"
        if self.settings.format == "images":
            return 'the images API makes no text: use api_format="chat"' if request.makes == "text" else ""
        if request.size is not None:
            return 'a chat has no field for a size: use api_format="images", or the provider\'s own field in extra_body'
        return ""

    def _extras(self, request: Request) -> dict[str, JSON]:
        provider = provider_of(_host(self._address()))
        extras = dict(provider.images_fields if self.settings.format == "images" else provider.chat_fields)
        if request.makes == "text":
            extras.clear()
        if self.settings.stream and self.settings.format == "chat":
            extras["stream_options"] = {"include_usage": True}
        return {k: v for k, v in extras.items() if k not in self._refused and k not in self.settings.extra_body}

    def _encode(self, request: Request, extras: Mapping[str, JSON]) -> Post:
        pictures = {path: self._pictures_in.encoded(path) for path in dict.fromkeys(request.all_images())}
        sampling = self.settings.sampling if self.settings.format == "chat" else {}
        return DIALECTS[self.settings.format].encode(
            request,
            pictures,
            model=self.settings.model,
            fields={**extras, **sampling, **self.settings.extra_body},
            stream=self.settings.stream,
        )

    def _address(self) -> str:
        given = self.settings.address or os.environ.get(ADDRESS_VARIABLE, "")
        if not given.strip():
            raise ConfigError(f"no address: give api_url, or set {ADDRESS_VARIABLE} (e.g. https://host/v1)")
        return normalise_address(given)

    def _asked(self, path: str) -> Asked:
        address = self._address()
        key = read_key(self.settings.key_name, host=_host(address))
        return Asked(address, path, self.settings.model, self.settings.key_name, key)


def _host(address: str) -> str:
    return urlsplit(address).hostname or ""


def _failed(answer: Answer, error: AnswerError) -> Answer:
    error.usage = error.usage or dict(answer.usage)
    return replace(answer, text=answer.text[:_KEPT_TEXT], error=error)


def _is_answer(reply: Reply, request: Request) -> bool:
    if request.makes == "image":
        return bool(reply.images)
    refused = {reply.finish.lower(), reply.native_finish.lower()} & REFUSALS
    return bool(reply.text) and reply.error is None and reply.trouble in ("", "bad_picture") and not refused


def _refused_fields(received: Attempt, extras: Mapping[str, JSON]) -> frozenset[str]:
    """Which of the fields that not every server knows a refusal names."""
    if received.on != "status" or received.status not in (400, 422):
        return frozenset()
    text = received.body[:20_000].decode("utf-8", "replace")
    return frozenset(name for name in extras if name in text)

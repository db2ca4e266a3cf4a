"""Turns the reply of an attempt into an answer: decodes it, fetches the pictures that it names, and stores pictures.

Large replies are decoded and stored in threads, so that the event loop only moves bytes.
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from dataflow.core.model_names import is_same_model
from dataflow.core.records import PICTURES_SENT, Answer, Job, Request
from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.billing import count_asked
from dataflow.serving.api.failures.attempts import Attempt, Target, attempt_of, escape, without_key
from dataflow.serving.api.failures.catalogue import CUT_OFF, REFUSALS
from dataflow.serving.api.failures.classify import classify
from dataflow.serving.api.failures.words import NO_CREDIT_NOTICE
from dataflow.serving.api.http.body import LARGE_AT_ONCE
from dataflow.serving.api.http.endpoint import MIN_SECRET_LENGTH
from dataflow.serving.api.http.fetch import PictureFetcher
from dataflow.serving.api.http.links import fetch_linked
from dataflow.serving.api.wire import Wire
from dataflow.serving.base import TRUNCATED
from dataflow.serving.dialects.reply import Reply, UrlRef
from dataflow.utils.disk_retry import until_stored

log = logging.getLogger(__name__)

_JPEG = b"\xff\xd8\xff"
_SEND_PNG = 'have it send PNG, with extra_body={"output_format": "png"} where it takes that'
_SMALL_BODY = 64 << 10  # bytes up to which a reply is decoded on the event loop: a thread would cost more
MAX_TEXT = 4 << 20  # characters: a million tokens
# Characters of a failed answer's text that are journalled: a picture in an unknown form is megabytes of text.
_MAX_FAILED_TEXT = 10_000
_MAX_NAME = 300  # characters of a model's name, which a server of one's own may give as a path


class Replies:
    """Makes answers of the replies of one address.

    Args:
        wire: the form of requests to the address.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._fetcher = PictureFetcher(wire.address, wire.settings.picture_hosts)
        self._has_warned_of_jpeg = False
        self._fetching = asyncio.Semaphore(LARGE_AT_ONCE)  # replies whose named pictures are fetched and stored

    async def answer(self, job: Job, received: Attempt, path: str) -> Answer:
        """The answer to a job; a failure is a value in it.

        Args:
            job: with the request that was sent.
            received: how the attempt ended. Its body may be a view: it is not read after this returns.
            path: to which the request went, below the address.
        """
        target = self._wire.target(path)
        answer = await self._answer(job, received, target)
        return _without_key(answer, target.secret) if len(target.secret) >= MIN_SECRET_LENGTH else answer

    async def _answer(self, job: Job, received: Attempt, target: Target) -> Answer:
        if received.ending != "answered":
            return Answer(error=classify(received, target))
        read = partial(self._read, job, received, target)
        answer, links = await until_stored(read, here=len(received.body) <= _SMALL_BODY)
        if links is None:
            return answer
        async with self._fetching:
            found = await fetch_linked(self._fetcher, links)
            if isinstance(found, Failure):
                return _failed(answer, found)
            return await until_stored(partial(self._save, job.id, found, answer))

    async def close(self) -> None:
        """Close the connections to hosts of pictures."""
        await self._fetcher.close()

    def _read(self, job: Job, received: Attempt, target: Target) -> tuple[Answer, Sequence[bytes | UrlRef] | None]:
        """Decode a reply.

        Returns:
            The answer and None; or the answer without its pictures, and the pictures, where some must be fetched first.
        """
        dialect = self._wire.dialect_of(job.request)
        reply = dialect.decode(received.body)
        if not isinstance(reply, Reply):
            raise TypeError(f"dialect {dialect.name}: decode must return a Reply, not {reply!r:.80}")
        named = (reply.model or self._wire.provider.serves, reply.provider)
        model, provider = (escape(name, secret=target.secret)[:_MAX_NAME] for name in named)
        answer = Answer(text=reply.text[: MAX_TEXT + 1], usage=reply.usage, model=model, provider=provider)
        if self._wire.settings.strict_model and named[0] and not is_same_model(target.model, named[0]):
            return _failed(answer, _of_another_model(target, model)), None
        if not _is_answer(reply, job.request):
            if _is_picture_for_text(reply, job.request):
                return _failed(answer, self._picture_for_text(target)), None
            return _failed(answer, classify(attempt_of(reply, received), target)), None
        if job.request.makes == "text":
            if len(reply.text) > MAX_TEXT:
                reason = f"the answer has more than {MAX_TEXT:,} characters: set max_tokens"
                return _failed(answer, Failure("failed", reason, maybe_paid=True)), None
            cut = {reply.finish.lower(), reply.native_finish.lower()} & CUT_OFF
            return replace(answer, usage={**reply.usage, TRUNCATED: 1.0}) if cut else answer, None
        # Where one picture is asked for, the last one is it. Those before it are drafts, or were sent without being
        # asked for; they are charged all the same, so the usage counts them.
        images = reply.images if count_asked(self._wire.settings.extra_body) > 1 else reply.images[-1:]
        if len(images) < len(reply.images):
            answer = replace(answer, usage={**reply.usage, PICTURES_SENT: float(len(reply.images))})
        held = [image for image in images if isinstance(image, bytes)]
        if len(held) < len(images):
            return answer, images
        return self._save(job.id, held, answer), None

    def _picture_for_text(self, target: Target) -> Failure:
        """The failure of a request for a text that a picture answers; another attempt would pay for another one."""
        keep = "ask for pictures, as generate(..., makes='image') does, or name a model that writes"
        if self._wire.settings.image_io is None:
            keep = "give the serving image_io=ImageIO(save_path=...) to have pictures, or name a model that writes"
        reason = f"{target.model} answered with a picture where words were asked for: {keep}"
        return Failure("failed", reason, maybe_paid=True)

    def _save(self, request_id: str, pictures: Sequence[bytes], answer: Answer) -> Answer:
        image_io = self._wire.settings.image_io
        assert image_io is not None
        self._warn_of_jpeg(pictures)
        try:
            return replace(answer, pictures=image_io.save(request_id, pictures))
        except AnswerError as error:
            return _failed(answer, error.failure)

    def _warn_of_jpeg(self, pictures: Sequence[bytes]) -> None:
        """Warn once that a server of one's own sends JPEG unasked: a model that is trained on it learns its traces."""
        wire = self._wire
        if self._has_warned_of_jpeg or not wire.is_own_server or "output_format" in wire.settings.extra_body:
            return
        if any(picture.startswith(_JPEG) for picture in pictures):
            self._has_warned_of_jpeg = True
            asks_for_png = "output_format" in wire.provider.picture_fields.get(wire.dialect.name, {})
            mends = "it was asked for PNG, and ignores that" if asks_for_png else _SEND_PNG
            log.warning("%s sends JPEG, whose traces a model learns with the edit: %s", wire.address, mends)


def _without_key(answer: Answer, key: str) -> Answer:
    """The answer with `[key]` in place of the key.

    The raw body is searched, too, but not a key that is escaped there, or cut in two by the events of a stream.
    """
    failure = answer.error
    if failure is not None:
        reason, said = without_key(failure.reason, key), without_key(failure.said, key)
        usage = {without_key(name, key): value for name, value in failure.usage.items()}
        failure = replace(failure, reason=reason, said=said, usage=usage)
    usage = {without_key(name, key): value for name, value in answer.usage.items()}
    return replace(answer, text=without_key(answer.text, key), usage=usage, error=failure)


def _of_another_model(target: Target, model: str) -> Failure:
    reason = (
        f"{target.host} was asked for {target.model}, and {model} answered: name a model that answers itself, or leave"
        f" strict_model out to take such answers; what was answered before is kept"
    )
    return Failure("fatal", reason, maybe_paid=True)


def _failed(answer: Answer, failure: Failure) -> Answer:
    failure = replace(failure, usage=failure.usage or dict(answer.usage), model=answer.model)
    return replace(answer, text=answer.text[:_MAX_FAILED_TEXT], error=failure)


def _is_picture_for_text(reply: Reply, request: Request) -> bool:
    """Whether a text was asked for, and the reply holds a good picture and no words."""
    return request.makes == "text" and bool(reply.images) and not (reply.text or reply.error or reply.trouble)


def _is_answer(reply: Reply, request: Request) -> bool:
    """Whether the reply holds what the request asks for, and not a notice of an empty account in its place."""
    if request.makes == "image":
        return bool(reply.images)
    refused = {reply.finish.lower(), reply.native_finish.lower()} & REFUSALS
    has_words = bool(reply.text) and not re.search(NO_CREDIT_NOTICE, reply.text.lower())
    return has_words and reply.error is None and reply.trouble in ("", "bad_picture") and not refused

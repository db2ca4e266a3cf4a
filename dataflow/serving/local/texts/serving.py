"""Serve a language model in this process: turn requests into conversations, and the model's replies into answers.

An empty reply is refused rather than asked for again, because the same seed gives the same reply again.
"""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.core.records import JSON, Answer, Job, PictureFacts, Request
from dataflow.errors import Failure, RowError
from dataflow.io.image import ImageIO
from dataflow.models.files import read_licence
from dataflow.serving.base import TRUNCATED
from dataflow.serving.local.processor import bounded
from dataflow.serving.local.texts.adapter import identify_adapter
from dataflow.serving.local.texts.chat import Reader
from dataflow.serving.local.texts.model import Conversation, LocalTextModel, Reply, load
from dataflow.serving.local.texts.settings import LocalTextSettings
from dataflow.serving.local.worker import LocalWorker, need_peft
from dataflow.taxonomy.thoughts import without_thoughts

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)


class LocalTextServing(LocalWorker[LocalTextModel]):
    """Writes texts with a checkpoint of transformers."""

    makes = "text"
    libraries = ("torch", "transformers")

    def __init__(self, settings: LocalTextSettings) -> None:
        super().__init__(settings.source, settings.device, settings.batch_size)
        self.settings = settings
        self._pictures_in = ImageIO(save_path=os.devnull)
        self._folder: Path | None = None
        self._warned = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings.model!r})"

    def prepare(self) -> None:
        """Check that the model exists, and that the libraries which its settings need are installed.

        Raises:
            ConfigError: there is no such model, or a library is missing.
        """
        if self.settings.lora is not None:
            need_peft()
        self.fingerprint()

    def settle(self) -> None:
        """Download the model if need be, and check all that can be checked without loading weights.

        Raises:
            ConfigError: the model cannot be downloaded, is damaged, or a device is missing.
        """
        self._folder = self._source.fetch(self.fingerprint())
        self._settle_devices()
        self.licence = read_licence(self._folder)
        log.info("%s: licence %s", self.settings.model, self.licence or "unknown")

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Answer the jobs in one batch; an answer that reached `max_new_tokens` is marked as truncated in its usage."""
        if self._model is None:
            raise RuntimeError("call before setup")
        reader = self._model.reader
        read = await asyncio.to_thread(lambda: [self._conversation(job, reader) for job in batch])
        conversations = [item for item in read if isinstance(item, Conversation)]
        replies = iter(await self._launched(partial(self._model.answer, conversations)) if conversations else ())
        return [self._answer(next(replies)) if isinstance(item, Conversation) else Answer(error=item) for item in read]

    def _identify(self) -> Mapping[str, JSON]:
        adapter = self.settings.adapter
        lora: dict[str, JSON] = {} if adapter is None else {"lora": identify_adapter(adapter)}
        return {**self._source.identify(), **lora, **self.settings.sampling()}

    def _load(self) -> LocalTextModel:
        if self._folder is None:
            raise RuntimeError("setup before settle")
        return load(self._folder, self.settings, self.placement.devices[0])

    def _conversation(self, job: Job, reader: Reader) -> Conversation | Failure:
        """The job as a conversation, or the failure if the model cannot take it."""
        request = job.request
        if problem := self._impossible(request):
            return Failure("fatal", problem)
        try:
            pictures = {path: self._picture(path, facts) for path, facts in job.pictures().items()}
        except RowError as error:
            return Failure("retry", str(error), retries=0)
        return Conversation(reader.messages(request, pictures), job.seed)

    def _picture(self, path: str, facts: PictureFacts | None) -> "Image":
        picture = self._pictures_in.read(path, facts)
        return picture if self.settings.max_pixels is None else bounded(picture, self.settings.max_pixels)

    def _answer(self, reply: Reply | Failure) -> Answer:
        if isinstance(reply, Failure):
            return Answer(error=reply)
        usage = {
            "prompt_tokens": float(reply.prompt_tokens),
            "completion_tokens": float(reply.completion_tokens),
            "total_tokens": float(reply.prompt_tokens + reply.completion_tokens),
        }
        if reply.cut:
            usage[TRUNCATED] = 1.0
            if not self._warned:
                self._warned = True
                most = self.settings.max_new_tokens
                log.warning("%s: an answer was cut off at max_new_tokens=%d; raise it if many are", self, most)
        if not (text := without_thoughts(reply.text)):
            reason = "the model said nothing: another seed, temperature or prompt may help"
            if reply.text:
                reason = "the model thought and said nothing: raise max_new_tokens, or see template_arguments"
            return Answer(error=Failure("refused", reason, usage=usage), usage=usage)
        return Answer(text=text, usage=usage)

    def _impossible(self, request: Request) -> str:
        """Why this serving can never answer such a request, in words; empty if it can."""
        if request.makes != "text":
            return f"{self} makes text, no pictures: give the operator a LocalImageGenServing or an API"
        if request.size is not None:
            return f"{self} makes text, which has no size: leave out size"
        if not self.settings.pictures and request.all_images():
            return f"{self} reads text alone: use LocalVLMServing with a model that looks at pictures"
        return ""

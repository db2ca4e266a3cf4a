"""Serving a language model from this process: requests to conversations, answers to texts.

Where the same seed gives the same answer, an empty one is refused rather than tried again.
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
from dataflow.serving.local.texts.model import Asked, LocalTextModel, Said, load
from dataflow.serving.local.texts.settings import LocalTextSettings
from dataflow.serving.local.worker import LocalWorker, need_peft
from dataflow.taxonomy.thoughts import without_thoughts

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)


class LocalTextServing(LocalWorker[LocalTextModel]):
    """A model of transformers that writes."""

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
        """Check that there is such a model, and that what its settings need is installed.

        Raises:
            ConfigError: there is not, or it is not.
        """
        if self.settings.lora is not None:
            need_peft()
        self.fingerprint()

    def settle(self) -> None:
        """Get the model onto this machine and check all that can be checked without weights.

        Raises:
            ConfigError: the model cannot be had, is damaged, or a device is missing.
        """
        self._folder = self._source.fetch(self.fingerprint())
        self._settle_devices()
        self.licence = read_licence(self._folder)
        log.info("%s: licence %s", self.settings.model, self.licence or "unknown")

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer per job, written together; one that reached `max_new_tokens` is marked as cut off."""
        if self._model is None:
            raise RuntimeError("call before setup")
        reader = self._model.reader
        ready = await asyncio.to_thread(lambda: [self._asked(job, reader) for job in batch])
        asked = [each for each in ready if isinstance(each, Asked)]
        said = iter(await self._launched(partial(self._model.answer, asked)) if asked else ())
        return [self._answer(next(said)) if isinstance(each, Asked) else Answer(error=each) for each in ready]

    def _identify(self) -> Mapping[str, JSON]:
        adapter = self.settings.adapter
        lora: dict[str, JSON] = {} if adapter is None else {"lora": identify_adapter(adapter)}
        return {**self._source.identify(), **lora, **self.settings.sampling()}

    def _load(self) -> LocalTextModel:
        if self._folder is None:
            raise RuntimeError("setup before settle")
        return load(self._folder, self.settings, self.placement.devices[0])

    def _asked(self, job: Job, reader: Reader) -> Asked | Failure:
        """The job as a conversation, or why it cannot be one."""
        request = job.request
        if problem := self._impossible(request):
            return Failure("fatal", problem)
        try:
            pictures = {path: self._seen(path, facts) for path, facts in job.pictures().items()}
        except RowError as error:
            return Failure("retry", str(error), retries=0)
        return Asked(reader.messages(request, pictures), job.seed)

    def _seen(self, path: str, facts: PictureFacts | None) -> "Image":
        picture = self._pictures_in.read(path, facts)
        return picture if self.settings.max_pixels is None else bounded(picture, self.settings.max_pixels)

    def _answer(self, said: Said | Failure) -> Answer:
        if isinstance(said, Failure):
            return Answer(error=said)
        usage = {
            "prompt_tokens": float(said.prompt_tokens),
            "completion_tokens": float(said.completion_tokens),
            "total_tokens": float(said.prompt_tokens + said.completion_tokens),
        }
        if said.cut:
            usage[TRUNCATED] = 1.0
            if not self._warned:
                self._warned = True
                most = self.settings.max_new_tokens
                log.warning("%s: an answer was cut off at max_new_tokens=%d; raise it if many are", self, most)
        if not (text := without_thoughts(said.text)):
            reason = "the model said nothing: another seed, temperature or prompt may help"
            if said.text:
                reason = "the model thought and said nothing: raise max_new_tokens, or see template_arguments"
            return Answer(error=Failure("refused", reason, usage=usage), usage=usage)
        return Answer(text=text, usage=usage)

    def _impossible(self, request: Request) -> str:
        """Why this serving cannot do what is asked, whatever the row."""
        if request.makes != "text":
            return f"{self} makes text, no pictures: give the operator a LocalImageGenServing or an API"
        if request.size is not None:
            return f"{self} makes text, which has no size: leave out size"
        if not self.settings.pictures and request.all_images():
            return f"{self} reads text alone: use LocalVLMServing with a model that looks at pictures"
        return ""

"""Serving a diffusion model from this process: requests to samples, one launch thread, pictures to files.

Reading and writing pictures happens off the launch thread. The object holds plain values until `setup`, so it
can be sent to a process of its own, one per device. Where the same seed makes the same picture, a flat one
is refused rather than tried again.
"""

import asyncio
import logging
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.worker import Resources
from dataflow.errors import AnswerError, ConfigError, FatalAnswer, RefusedAnswer, RowError, TransientAnswer
from dataflow.io.colour import shown_size
from dataflow.io.decode import INPUT_FORMATS, BadPicture, decoding
from dataflow.serving.backends import Backend, Plan, Sample, Size, backend_of
from dataflow.serving.backends.canvas import fit, on_grid, stitch
from dataflow.serving.base import ServingABC
from dataflow.serving.local_checkpoint import Checkpoint, check_parts, read_checkpoint
from dataflow.serving.local_devices import check_devices
from dataflow.serving.local_model import LocalModel, load
from dataflow.serving.local_settings import LocalSettings
from dataflow.serving.local_source import fetch, identify

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

_FLAT = 2  # levels between the darkest and the lightest pixel of a channel


class LocalServing(ServingABC):
    """A diffusers checkpoint, in batches of one plan.

    Attributes:
        images_per_prompt: pictures that an operator should ask for per prompt.
        devices: where it may run, one process each; known after `prepare`.
        licence: of the weights, as their model card says; known after `prepare`.
    """

    def __init__(self, settings: LocalSettings) -> None:
        self.settings = settings
        self.max_batch = settings.batch_size
        self.images_per_prompt = settings.images_per_prompt
        self.devices = settings.devices
        self.licence = ""
        self._identity: Mapping[str, JSON] | None = None
        self._checkpoint: Checkpoint | None = None
        self._backend: Backend | None = None
        self._model: LocalModel | None = None
        self._launch: ThreadPoolExecutor | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings.model!r}, {self.settings.task})"

    def fingerprint(self) -> Mapping[str, JSON]:
        """The model by name and commit, or by content for a folder, and all that changes its pictures.

        Raises:
            ConfigError: the model is not here and the hub cannot be asked for its revision.
        """
        if self._identity is None:
            self._identity = {**identify(self.settings), **self.settings.sampling()}
        return self._identity

    def prepare(self) -> None:
        """Get the model onto this machine and check all that can be checked without weights.

        Raises:
            ConfigError: the model cannot be had, is damaged, or does not fit the settings.
        """
        self._checkpoint = read_checkpoint(fetch(self.settings, self.fingerprint()))
        check_parts(self._checkpoint, given=self.settings.pipe_kwargs.keys())
        self._backend = backend_of(self._checkpoint)
        self._check_family(self._backend, self._checkpoint)
        self._check_lora()
        self.devices = check_devices(self.devices)
        self.resources = Resources(gpus=sum(name.startswith("cuda") for name in self.devices))
        inputs = ((1, 1),) if self.settings.task == "imageedit" else ()
        self.max_batch = self.settings.batch_size if self._backend.shares_call(Plan(None, inputs)) else 1
        self.licence = self._checkpoint.licence()
        log.info("%s: %s, licence %s", self.settings.model, self._backend.family, self.licence or "unknown")

    async def setup(self) -> None:
        """Load the weights onto the first device."""
        if self._checkpoint is None or self._backend is None:
            raise RuntimeError("setup before prepare")
        self._launch = ThreadPoolExecutor(1, thread_name_prefix="dataflow-launch")
        where = asyncio.get_running_loop()
        told = (self._checkpoint, self._backend, self.settings, self.devices[0])
        self._model = await where.run_in_executor(self._launch, load, *told)

    async def close(self) -> None:
        """Free the memory; not on the launch thread, which is gone when the interpreter ends."""
        if self._model is not None and self._launch is not None:
            self._launch.shutdown(wait=False, cancel_futures=True)
            self._model.free()
        self._model = self._launch = None

    def recover(self, job: Job) -> Answer | None:
        """The picture of this id that was saved but never journalled."""
        found = self.settings.image_io.find(job.id)
        return Answer(pictures=found, usage=self._usage(job.request)) if found else None

    def batch_key(self, request: Request) -> Hashable:
        """Equal for requests that can share a call; None where that cannot be told."""
        if self._impossible(request):
            return None
        try:
            return self._plan(request, [_header_size(path) for path in request.images])
        except (RowError, OSError, BadPicture):
            return None

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer per job; those of one plan are drawn together."""
        if self._model is None or self._backend is None:
            raise RuntimeError("call before setup")
        ready = await asyncio.to_thread(lambda: [self._sample(job) for job in batch])
        answers = {at: Answer(error=each) for at, each in enumerate(ready) if isinstance(each, AnswerError)}
        groups: dict[Plan, list[int]] = {}
        for at, each in enumerate(ready):
            if isinstance(each, Sample):
                groups.setdefault(each.plan, []).append(at)
        for plan, places in groups.items():
            step = len(places) if self._backend.shares_call(plan) else 1
            for start in range(0, len(places), step):
                together = places[start : start + step]
                samples = [each for at in together if isinstance(each := ready[at], Sample)]
                loop = asyncio.get_running_loop()
                drawn = await loop.run_in_executor(self._launch, self._model.draw, samples)
                storing = [
                    asyncio.to_thread(self._stored, batch[at], one) for at, one in zip(together, drawn, strict=True)
                ]
                answers.update(zip(together, await asyncio.gather(*storing), strict=True))
        return [answers[at] for at in range(len(batch))]

    def _sample(self, job: Job) -> Sample | AnswerError:
        """The job with its pictures as the pipeline gets them, or why it cannot be drawn."""
        request = job.request
        if problem := self._impossible(request):
            return FatalAnswer(problem)
        try:
            images = [self.settings.image_io.read(path) for path in request.images]
        except RowError as error:
            return TransientAnswer(str(error), retries=0)
        plan = self._plan(request, [image.size for image in images])
        assert plan is not None
        if len(plan.inputs) < len(images):
            images = [stitch(images)]
        fitted = tuple(fit(image, size) for image, size in zip(images, plan.inputs, strict=True))
        return Sample(plan, request.prompt, fitted, job.seed)

    def _stored(self, job: Job, picture: "Image | AnswerError") -> Answer:
        if isinstance(picture, AnswerError):
            return Answer(error=picture)
        rgb = picture.convert("RGB")
        if all(high - low <= _FLAT for low, high in rgb.getextrema()):  # type: ignore[misc]
            colour = "#{:02x}{:02x}{:02x}".format(*rgb.resize((1, 1)).tobytes())
            reason = f"the picture is flat ({colour} all over): more steps, another dtype or seed may help"
            return Answer(error=RefusedAnswer(reason))
        return Answer(pictures=self.settings.image_io.save(job.id, [rgb]), usage=self._usage(job.request))

    def _usage(self, request: Request) -> Mapping[str, float]:
        """One picture, and the size that was asked for, which may be off the grid; the one made is the picture's."""
        asked = request.size or self.settings.size
        sizes = {} if asked is None else {"asked_width": float(asked[0]), "asked_height": float(asked[1])}
        return {"images": 1.0, **sizes}

    def _plan(self, request: Request, pictures: Sequence[Size]) -> Plan | None:
        if self._backend is None:
            return None
        asked = request.size or self.settings.size
        return self._backend.plan(None if asked is None else on_grid(asked), pictures)

    def _impossible(self, request: Request) -> str:
        """Why this serving cannot do what is asked, whatever the row."""
        task = self.settings.task
        if request.makes != "image":
            return f"{self} makes pictures, no text: give the operator a serving of a language model"
        if request.turns:
            return f"{self} takes one prompt, no system prompt and no earlier turns"
        if request.images and task == "text2image":
            return f"{self} draws from text alone: set Image_gen_task='imageedit' to edit pictures"
        if not request.images and task == "imageedit":
            return f"{self} edits pictures and got none: set Image_gen_task='text2image' to draw"
        return ""

    def _check_family(self, backend: Backend, checkpoint: Checkpoint) -> None:
        told = self.settings
        found = f"{checkpoint.folder / 'model_index.json'} names {checkpoint.pipeline}"
        if told.family and _bare(told.family) not in (_bare(backend.family), _bare(checkpoint.pipeline)):
            raise ConfigError(
                f"diffuser_model_name={told.family!r}, but {found}, which is {backend.family}: correct the name, or"
                f" give another model"
            )
        if told.task not in backend.tasks:
            does = " or ".join(f"Image_gen_task={task!r}" for task in sorted(backend.tasks))
            raise ConfigError(
                f"Image_gen_task={told.task!r}, but {found} ({backend.family}), which does"
                f" {does or 'neither drawing nor editing from a prompt'}: change the task or the model"
            )

    def _check_lora(self) -> None:
        import importlib.util

        if self.settings.lora and importlib.util.find_spec("peft") is None:
            raise ConfigError("lora=... needs the library peft: pip install 'dataflow-mm[lora]'")


def _bare(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _header_size(path: str) -> Size:
    return _header_size_at(path, Path(path).stat().st_mtime_ns)


@lru_cache(maxsize=20_000)
def _header_size_at(path: str, _mtime: int) -> Size:
    """From the header alone; a PNG's EXIF would cost decoding it, and a wrong guess only a smaller batch."""
    from PIL import Image

    with decoding(b""), Image.open(path, formats=INPUT_FORMATS) as image:
        return image.size if image.format == "PNG" else shown_size(image)

"""Serving a diffusion model from this process: requests to samples, one launch thread, pictures to files.

Reading and writing pictures happens off the launch thread and beside it: while one call is drawn, the pictures of the
next are read and those of the last are stored. So up to three calls are lost when the process is killed, and
memory holds the pictures of three; of up to 16 where text encoders come to the card and leave it, so that one visit
serves many prompts. Where the same seed makes the same picture, a flat one is refused rather than tried again.
"""

import asyncio
import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.words import count_of
from dataflow.core.worker import Batching, Limits
from dataflow.errors import Failure, RowError
from dataflow.io.colour import to_rgb
from dataflow.io.decode import BadPicture
from dataflow.io.header import header_size
from dataflow.io.masks import binarised, check_mask_size, read_mask
from dataflow.models.checkpoint import Checkpoint, read_checkpoint
from dataflow.models.settings import read_settings
from dataflow.models.source import identify_lora
from dataflow.pools.executor import default_executor
from dataflow.serving.backends import Backend, Plan, Sample, Size, backend_of
from dataflow.serving.backends.canvas import fit, on_grid, stitch
from dataflow.serving.backends.implied import stated
from dataflow.serving.base import TRUNCATED
from dataflow.serving.local.pictures.checks import check_code, check_family, check_loras, mask_problem
from dataflow.serving.local.pictures.load import load
from dataflow.serving.local.pictures.memory_estimate import PICTURES_AHEAD, comes_in_portions
from dataflow.serving.local.pictures.model import LocalModel
from dataflow.serving.local.pictures.pixels import Drawn, Pixels
from dataflow.serving.local.pictures.presets import Levers, machine_of, pull_lasting, pull_rounding
from dataflow.serving.local.pictures.settings import LocalSettings
from dataflow.serving.local.worker import LocalWorker
from dataflow.utils.held import until_stored

log = logging.getLogger(__name__)

_FLAT = 2  # levels between the darkest and the lightest pixel of a channel
_STOPPING = "not drawn: a run is stopping"


class LocalServing(LocalWorker[LocalModel]):
    """A diffusers checkpoint, in batches of one plan.

    Attributes:
        images_per_prompt: pictures that an operator should ask for per prompt.
    """

    libraries = ("torch", "diffusers", "transformers")
    limits = Limits(width=3)  # one is read, one drawn, one stored
    batching = Batching(ahead=2, groups=True)  # each size is compiled once, and the kernels of the last are warm

    def __init__(self, settings: LocalSettings) -> None:
        super().__init__(settings.source, settings.device, settings.batch_size or 1)
        self.settings = settings
        self._levers = Levers(settings.preset)
        self._at_once = 0  # pictures in one call; known after `settle`
        self._stops = 0  # of runs
        self.images_per_prompt = settings.images_per_prompt
        self.save_path = settings.image_io.save_path
        self._checkpoint: Checkpoint | None = None
        self._backend: Backend | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings.model!r}, {self.settings.task})"

    @property
    def warming(self) -> str:
        """What the first pictures wait for."""
        return self._model.warming if self._model is not None else ""

    def prepare(self) -> None:
        """Check what the model's small files and the settings say of each other.

        Raises:
            ConfigError: there is no such model, or it does not fit the settings.
        """
        said = read_settings(self._source, self.fingerprint())
        self._backend = backend_of(said, self.settings.backend)
        check_family(self._backend, said, self.settings)
        check_loras(self.settings.loras)

    def settle(self) -> None:
        """Get the model onto this machine and check all that can be checked without loading weights.

        Raises:
            ConfigError: the model cannot be had, is damaged, or a device is missing.
        """
        self._checkpoint = read_checkpoint(self._source.fetch(self.fingerprint()))
        self._backend = backend_of(self._checkpoint, self.settings.backend)
        check_code(self._checkpoint, self.settings.pipe_kwargs)
        self._settle_devices()
        if not self._at_once:
            machine = machine_of(self.placement.devices)
            self._at_once = self._levers.most_at_once(self.settings.batch_size, machine, self.settings.size)
            self._levers = pull_rounding(self._levers, machine, self.settings.dtype, self.settings.pipe_kwargs)
            self._take_more_in_hand(self._backend, self._checkpoint)
        inputs = ((1, 1),) if self.settings.task == "imageedit" else ()
        together = self._backend.shares_call(Plan(None, inputs))
        self.batching = replace(self.batching, max_batch=self._at_once if together else 1)
        self.licence = self._checkpoint.licence()
        log.info("%s: %s, licence %s", self.settings.model, self._backend.family, self.licence or "unknown")

    def recover(self, job: Job) -> Answer | None:
        """The picture of this id that was saved but never journalled."""
        found = self.settings.image_io.find(job.id)
        return Answer(pictures=found, usage=self._usage(job.request)) if found else None

    def mask_problem(self) -> str:
        """Why the model does not draw within a mask; reads the model's settings, and loads no weights."""
        ours = self.settings
        backend = self._backend or backend_of(read_settings(self._source, self.fingerprint()), ours.backend)
        return mask_problem(backend, ours)

    def batch_key(self, request: Request) -> Hashable:
        """Equal for requests that can share a call; None where that is not known."""
        if self._impossible(request):
            return None
        try:
            return self._plan(request, [header_size(path) for path in request.images])
        except (RowError, OSError, BadPicture):
            return None

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer per job; those of one plan are drawn together."""
        if self._model is None or self._backend is None:
            raise RuntimeError("call before setup")
        model, stops = self._model, self._stops
        model.expect([job.request.prompt for job in batch])
        ready = await asyncio.to_thread(lambda: [self._sample(job) for job in batch])
        answers = {at: Answer(error=each) for at, each in enumerate(ready) if isinstance(each, Failure)}
        groups: dict[Plan, list[int]] = {}
        for at, each in enumerate(ready):
            if isinstance(each, Sample):
                groups.setdefault(each.plan, []).append(at)

        async def draw(places: Sequence[int]) -> None:
            samples = [each for at in places if isinstance(each := ready[at], Sample)]
            drawn = await self._launched(partial(self._drawn, model, samples, stops))
            stored = await until_stored(partial(self._all_stored, [batch[at] for at in places], drawn, []))
            answers.update(zip(places, stored, strict=True))

        calls = []
        for plan, places in groups.items():
            step = len(places) if self._backend.shares_call(plan) else 1
            calls += [draw(places[start : start + step]) for start in range(0, len(places), step)]
        await asyncio.gather(*calls)
        return [answers[at] for at in range(len(batch))]

    def let_go(self) -> None:
        """A run stops: calls that wait to be drawn are left to the next one, or asked again by another run of now."""
        self._stops += 1

    def _identify(self) -> Mapping[str, JSON]:
        ours = self.settings
        if ours.preset != "exact":
            machine = default_executor().machine(self) or machine_of(self.placement.devices)
            self._levers = pull_lasting(ours.preset, machine, ours.dtype, ours.pipe_kwargs)
        lora: list[JSON] = [[identify_lora(path), scale] for path, scale in ours.loras]
        model = self._source.identify()
        family = stated(read_settings(self._source, model), ours.backend)
        return {**model, **({"lora": lora} if lora else {}), **family, **ours.sampling(), **self._levers.identity()}

    def _load(self) -> LocalModel:
        if self._checkpoint is None or self._backend is None:
            raise RuntimeError("setup before settle")
        device, levers, at_once = self.placement.devices[0], self._levers, self._at_once
        return load(self._checkpoint, self._backend, self.settings, device, levers=levers, at_once=at_once)

    def _take_more_in_hand(self, backend: Backend, checkpoint: Checkpoint) -> None:
        """More calls, where their prompts are worth knowing ahead."""
        ours, devices, fp8 = self.settings, self.placement.devices, self._levers.fp8
        if backend.encoded and comes_in_portions(checkpoint, devices, ours.dtype, ours.pipe_kwargs, fp8=fp8):
            width = max(self.limits.width, -(-PICTURES_AHEAD // self._at_once))
            self.limits = replace(self.limits, width=width)
            self.batching = replace(self.batching, ahead=width - 1)

    def _sample(self, job: Job) -> Sample | Failure:
        """The job with its pictures as the pipeline gets them, or why it cannot be drawn."""
        request = job.request
        if problem := self._impossible(request):
            return Failure("fatal", problem)
        try:
            facts = job.pictures()
            images = [self.settings.image_io.read(path, facts[path]) for path in request.images]
            plan = self._plan(request, [image.size for image in images])
            mask = None if request.mask is None else read_mask(request.mask, facts[request.mask])
            if mask is not None:
                check_mask_size(request, mask.size, images[0].size)
        except RowError as error:
            return Failure("retry", str(error), retries=0)
        assert plan is not None
        if len(plan.inputs) < len(images):
            images = [stitch(images)]
        fitted = tuple(fit(image, size) for image, size in zip(images, plan.inputs, strict=True))
        if mask is not None:
            mask = binarised(fit(mask, plan.inputs[0], around="black"))
            if mask.getextrema() == (0, 0):
                width, height = plan.inputs[0]
                reason = f"of mask {request.mask} nothing is left at {width} x {height}: make it thicker"
                return Failure("retry", reason, retries=0)
        return Sample(plan, request.prompt, fitted, job.seed, mask)

    def _drawn(self, model: LocalModel, samples: Sequence[Sample], stops: int) -> Sequence[Drawn]:
        """The pictures, unless a run has stopped since these were called for."""
        return model.draw(samples) if self._stops == stops else [Failure("retry", _STOPPING)] * len(samples)

    def _all_stored(self, jobs: Sequence[Job], drawn: Sequence[Drawn], answers: list[Answer]) -> Sequence[Answer]:
        """The answers, one after another: threads that store beside each other hold up the launch thread more often.

        Args:
            jobs: of one call.
            drawn: the picture of each, or why there is none.
            answers: those that are there already; the others are added.
        """
        for job, picture in list(zip(jobs, drawn, strict=True))[len(answers) :]:
            answers.append(self._stored(job, picture))
        return answers

    def _stored(self, job: Job, drawn: Drawn) -> Answer:
        picture = drawn.image() if isinstance(drawn, Pixels) else drawn
        if isinstance(picture, Failure):
            return Answer(error=picture)
        rgb = picture if picture.mode == "RGB" else to_rgb(picture)
        if all(high - low <= _FLAT for low, high in rgb.getextrema()):  # type: ignore[misc]
            colour = "#{:02x}{:02x}{:02x}".format(*rgb.resize((1, 1)).tobytes())
            reason = f"the picture is flat ({colour} all over): more steps, another dtype or seed may help"
            return Answer(error=Failure("refused", reason))
        return Answer(pictures=self.settings.image_io.save(job.id, [rgb]), usage=self._usage(job.request))

    def _usage(self, request: Request) -> Mapping[str, float]:
        """One picture, the size asked for, which may be off the grid, the levers that changed it, a prompt cut off."""
        asked = request.size or self.settings.size
        sizes = {} if asked is None else {"asked_width": float(asked[0]), "asked_height": float(asked[1])}
        is_cut = self._model is not None and self._model.cut_off(request.prompt)
        cut = {TRUNCATED: 1.0} if is_cut else {}
        return {"images": 1.0, **sizes, **self._levers.marks(), **cut}

    def _plan(self, request: Request, pictures: Sequence[Size]) -> Plan | None:
        if self._backend is None:
            return None
        backend, asked = self._backend, request.size or self.settings.size
        if request.mask is not None and len(pictures) > backend.inpaint_inputs:
            raise RowError(
                f"{backend.family} takes {count_of(backend.inpaint_inputs, 'picture')} where there is a mask, and this"
                f" row has {len(pictures)}"
            )
        plan_of = backend.plan if request.mask is None else backend.plan_masked
        plan = plan_of(None if asked is None else on_grid(asked), pictures)
        if not isinstance(plan, Plan):
            raise TypeError(f"{type(self._backend).__name__}.plan must return a Plan, not {plan!r:.80}")
        return plan

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
        return self.mask_problem() if request.mask is not None else ""

"""Serve a diffusion model in this process: turn requests into samples, draw them, store the pictures.

One launch thread draws. While it draws a call, other threads read the pictures of the next call and store those of the
last one. So a killed process loses up to three calls, and memory holds the pictures of three; where text encoders are
swapped, of up to 16, so that one copy of the encoders serves many prompts. A picture of one colour is refused rather
than drawn again, because the same seed draws the same picture again.
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
from dataflow.serving.local.pictures.memory_estimate import PICTURES_AHEAD, will_be_offloaded
from dataflow.serving.local.pictures.model import LocalModel
from dataflow.serving.local.pictures.pixels import Drawn, Pixels
from dataflow.serving.local.pictures.presets import Speedups, add_lossless, choose_lossy, machine_of
from dataflow.serving.local.pictures.settings import LocalSettings
from dataflow.serving.local.worker import LocalWorker
from dataflow.utils.disk_retry import until_stored

log = logging.getLogger(__name__)

_FLAT = 2  # a picture is of one colour if no channel's levels (0 to 255) differ by more than this
_STOPPING = "not drawn: a run is stopping"


class LocalServing(LocalWorker[LocalModel]):
    """Draws with a diffusers checkpoint, in batches of one plan.

    Attributes:
        images_per_prompt: how many pictures an operator should ask for per prompt.
    """

    libraries = ("torch", "diffusers", "transformers")
    limits = Limits(width=3)  # one call is read, one drawn, one stored
    # Requests of one plan are grouped: each size is compiled once, and the kernels of the last size are still warm.
    batching = Batching(ahead=2, groups=True)

    def __init__(self, settings: LocalSettings) -> None:
        super().__init__(settings.source, settings.device, settings.batch_size or 1)
        self.settings = settings
        self._speedups = Speedups(settings.preset)
        self._at_once = 0  # the most pictures that one call draws; 0 until `settle`
        self._stops = 0  # how many runs have stopped so far
        self.images_per_prompt = settings.images_per_prompt
        self.save_path = settings.image_io.save_path
        self._checkpoint: Checkpoint | None = None
        self._backend: Backend | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings.model!r}, {self.settings.task})"

    @property
    def warming(self) -> str:
        """What the next picture waits for, in words, such as compiling; empty if nothing."""
        return self._model.warming if self._model is not None else ""

    def prepare(self) -> None:
        """Check that the settings fit the model, as far as its small files tell; downloads those files if need be.

        Raises:
            ConfigError: there is no such model, or it does not fit the settings.
        """
        checkpoint = read_settings(self._source, self.fingerprint())
        self._backend = backend_of(checkpoint, self.settings.backend)
        check_family(self._backend, checkpoint, self.settings)
        check_loras(self.settings.loras)

    def settle(self) -> None:
        """Download the model if need be, and check all that can be checked without loading weights.

        Raises:
            ConfigError: the model cannot be downloaded, is damaged, or a device is missing.
        """
        self._checkpoint = read_checkpoint(self._source.fetch(self.fingerprint()))
        self._backend = backend_of(self._checkpoint, self.settings.backend)
        check_code(self._checkpoint, self.settings.pipe_kwargs)
        self._settle_devices()
        if not self._at_once:
            machine = machine_of(self.placement.devices)
            self._at_once = self._speedups.pictures_per_call(self.settings.batch_size, machine, self.settings.size)
            self._speedups = add_lossless(self._speedups, machine, self.settings.dtype, self.settings.pipe_kwargs)
            self._widen_if_offloaded(self._backend, self._checkpoint)
        inputs = ((1, 1),) if self.settings.task == "imageedit" else ()
        shares_call = self._backend.shares_call(Plan(None, inputs))
        self.batching = replace(self.batching, max_batch=self._at_once if shares_call else 1)
        self.licence = self._checkpoint.licence()
        log.info("%s: %s, licence %s", self.settings.model, self._backend.family, self.licence or "unknown")

    def recover(self, job: Job) -> Answer | None:
        """The answer whose picture a killed run stored without journalling it; None if there is none."""
        found = self.settings.image_io.find(job.id)
        return Answer(pictures=found, usage=self._usage(job.request)) if found else None

    def mask_problem(self) -> str:
        """Why the model does not draw within a mask, in words; empty if it does. Loads no weights."""
        ours = self.settings
        backend = self._backend or backend_of(read_settings(self._source, self.fingerprint()), ours.backend)
        return mask_problem(backend, ours)

    def batch_key(self, request: Request) -> Hashable:
        """A key that is equal for requests which can share a call; None for a request that cannot be planned."""
        if self._impossible(request):
            return None
        try:
            return self._plan(request, [header_size(path) for path in request.images])
        except (RowError, OSError, BadPicture):
            return None

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Draw the jobs, those of one plan together; return one answer per job, in order."""
        if self._model is None or self._backend is None:
            raise RuntimeError("call before setup")
        model, stops = self._model, self._stops
        model.expect([job.request.prompt for job in batch])
        samples = await asyncio.to_thread(lambda: [self._sample(job) for job in batch])
        answers = {n: Answer(error=sample) for n, sample in enumerate(samples) if isinstance(sample, Failure)}
        groups: dict[Plan, list[int]] = {}  # plan → numbers of its jobs in the batch
        for n, sample in enumerate(samples):
            if isinstance(sample, Sample):
                groups.setdefault(sample.plan, []).append(n)

        async def draw(numbers: Sequence[int]) -> None:
            together = [sample for n in numbers if isinstance(sample := samples[n], Sample)]
            drawn = await self._launched(partial(self._drawn, model, together, stops))
            stored = await until_stored(partial(self._all_stored, [batch[n] for n in numbers], drawn, []))
            answers.update(zip(numbers, stored, strict=True))

        calls = []
        for plan, numbers in groups.items():
            step = len(numbers) if self._backend.shares_call(plan) else 1
            calls += [draw(numbers[start : start + step]) for start in range(0, len(numbers), step)]
        await asyncio.gather(*calls)
        return [answers[n] for n in range(len(batch))]

    def let_go(self) -> None:
        """A run stops: fail the calls that are not drawn yet; a later run, or another current one, asks them again."""
        self._stops += 1

    def _identify(self) -> Mapping[str, JSON]:
        ours = self.settings
        if ours.preset != "exact":
            machine = default_executor().machine(self) or machine_of(self.placement.devices)
            self._speedups = choose_lossy(ours.preset, machine, ours.dtype, ours.pipe_kwargs)
        lora: list[JSON] = [[identify_lora(path), scale] for path, scale in ours.loras]
        model = self._source.identify()
        family = stated(read_settings(self._source, model), ours.backend)
        return {**model, **({"lora": lora} if lora else {}), **family, **ours.sampling(), **self._speedups.identity()}

    def _load(self) -> LocalModel:
        if self._checkpoint is None or self._backend is None:
            raise RuntimeError("setup before settle")
        device, speedups, at_once = self.placement.devices[0], self._speedups, self._at_once
        return load(self._checkpoint, self._backend, self.settings, device, speedups=speedups, at_once=at_once)

    def _widen_if_offloaded(self, backend: Backend, checkpoint: Checkpoint) -> None:
        """Hold more calls at once where text encoders are swapped, so that one visit encodes the prompts of many."""
        ours, devices, fp8 = self.settings, self.placement.devices, self._speedups.fp8
        if backend.encoded and will_be_offloaded(checkpoint, devices, ours.dtype, ours.pipe_kwargs, fp8=fp8):
            width = max(self.limits.width, -(-PICTURES_AHEAD // self._at_once))
            self.limits = replace(self.limits, width=width)
            self.batching = replace(self.batching, ahead=width - 1)

    def _sample(self, job: Job) -> Sample | Failure:
        """The job with its pictures as the pipeline takes them, or the failure if it cannot be drawn."""
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
        """Draw the samples, unless a run has stopped since their call began (`stops` counted the stops then)."""
        return model.draw(samples) if self._stops == stops else [Failure("retry", _STOPPING)] * len(samples)

    def _all_stored(self, jobs: Sequence[Job], drawn: Sequence[Drawn], answers: list[Answer]) -> Sequence[Answer]:
        """Store the pictures one after another: several storing threads would delay the launch thread more often.

        Args:
            jobs: those of one call.
            drawn: the picture of each job, or its failure.
            answers: the answers of the first jobs, where an earlier attempt stored them; the rest is appended.

        Returns:
            `answers`, one per job.
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
        """The usage of an answer: one picture, the size asked for, the lossy speedups, and a truncated prompt.

        The size is the request's own, which the picture's may differ from: models draw on a grid.
        """
        asked = request.size or self.settings.size
        sizes = {} if asked is None else {"asked_width": float(asked[0]), "asked_height": float(asked[1])}
        is_cut = self._model is not None and self._model.cut_off(request.prompt)
        cut = {TRUNCATED: 1.0} if is_cut else {}
        return {"images": 1.0, **sizes, **self._speedups.marks(), **cut}

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
        """Why this serving can never answer such a request, in words; empty if it can."""
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

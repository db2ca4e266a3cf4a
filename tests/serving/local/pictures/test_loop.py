"""The loop around a model on this machine: what happens beside drawing, in which order, and what a bad day costs."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from dataflow.core.records import Answer, Picture, PictureFacts, Request
from dataflow.io.image import ImageIO
from dataflow.pools.executor import LocalExecutor, call_directly
from dataflow.serving.local.pictures.serving import LocalServing
from dataflow.serving.local.pictures.settings import LocalSettings
from tests.kit.flow import draw
from tests.kit.fragile import Fragile
from tests.kit.tiny import running
from tests.kit.workers import WAIT

Checkpoints = Callable[[str], Path]
COLOURS = ("red", "lime", "blue", "white", "black", "yellow", "cyan", "magenta", "orange", "purple")


class Diary:
    """What happened, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self._change = threading.Condition()

    def note(self, event: str) -> None:
        with self._change:
            self.events.append(event)
            self._change.notify_all()

    def saw(self, **counts: int) -> bool:
        """Wait until each event was noted so many times; whether it was."""
        with self._change:
            reached = lambda: all(self.events.count(event) >= count for event, count in counts.items())  # noqa: E731
            return self._change.wait_for(reached, WAIT)


class NotingIO(ImageIO):
    """Notes every picture that was read or stored."""

    diary: Diary

    def read(self, path: str, facts: PictureFacts | None = None) -> Image.Image:
        image = super().read(path, facts)
        self.diary.note("read")
        return image

    def save(self, request_id: str, images: list[Image.Image]) -> tuple[Picture, ...]:  # type: ignore[override]
        pictures = super().save(request_id, images)
        self.diary.note("stored")
        return pictures


class NotingVae(AutoencoderKL):
    """Notes when a call is decoded, and does something first."""

    diary: Diary
    first: Callable[[int], None]

    def decode(self, z: torch.Tensor, *more: object, **named: object) -> object:
        self.first(self.diary.events.count("drawn"))
        self.diary.note("drawn")
        return super().decode(z, *more, **named)


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    made = LocalExecutor()
    yield made
    made.close()


def noting(folder: Path, out: Path, diary: Diary, first: Callable[[int], None]) -> LocalServing:
    """An editor of two pictures a call; `first` gets the number of the call that is about to be decoded."""
    vae = NotingVae.from_pretrained(folder / "vae")
    vae.diary, vae.first = diary, first
    images = NotingIO(str(out))
    object.__setattr__(images, "diary", diary)
    settings = {"task": "imageedit", "steps": 2, "size": (64, 64), "device": ("cpu",), "batch_size": 2}
    return LocalServing(LocalSettings(str(folder), images, pipe_kwargs={"vae": vae}, **settings))  # type: ignore[arg-type]


def edits(folder: Path, count: int) -> list[Request]:
    paths = [str(draw(folder / f"{colour}.png", colour, (64, 64))) for colour in COLOURS[:count]]
    return [Request("paint it", (path,), seed=7) for path in paths]


def pixels(answer: Answer) -> numpy.ndarray:
    assert answer.error is None, answer.error
    return numpy.asarray(Image.open(answer.pictures[0].path)).astype(int)


def test_while_a_call_is_drawn_the_next_is_read_and_the_last_is_stored(
    executor: LocalExecutor, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    diary, beside = Diary(), []

    def first(call: int) -> None:
        if call == 1:
            beside.append(diary.saw(read=6, stored=2))

    asked = edits(tmp_path, 6)
    worker = noting(checkpoint("flux_kontext"), tmp_path / "out", diary, first)
    answers = call_directly(worker, asked, executor=executor)
    assert beside == [True]
    assert diary.events.count("drawn") == 3
    executor.close()
    with running(noting(checkpoint("flux_kontext"), tmp_path / "alone", Diary(), lambda call: None)) as ask:
        for answer, request in zip(answers, asked, strict=True):
            assert abs(pixels(answer) - pixels(ask(request)[0])).max() <= 1


def test_no_more_than_three_calls_are_begun_at_a_time(
    executor: LocalExecutor, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    diary = Diary()

    def first(call: int) -> None:
        if call == 0:
            assert diary.saw(read=6)

    worker = noting(checkpoint("flux_kontext"), tmp_path / "out", diary, first)
    answers = call_directly(worker, edits(tmp_path, 10), executor=executor)
    assert all(answer.error is None for answer in answers)
    begun = most = 0
    for event in diary.events:
        begun += {"read": 1, "stored": -1}.get(event, 0)
        most = max(most, begun)
    assert most == 6


def test_batches_of_one_size_follow_one_another(
    executor: LocalExecutor, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    sizes = []

    class Watching(AutoencoderKL):
        def decode(self, z: torch.Tensor, *more: object, **named: object) -> object:
            sizes.append((len(z), *z.shape[2:]))
            return super().decode(z, *more, **named)

    vae = Watching.from_pretrained(checkpoint("flux") / "vae")
    settings = {"steps": 1, "device": ("cpu",), "batch_size": 2, "pipe_kwargs": {"vae": vae}}
    worker = LocalServing(LocalSettings(str(checkpoint("flux")), ImageIO(str(tmp_path)), **settings))  # type: ignore[arg-type]
    asked = [Request("a cat", size=[(64, 64), (64, 32), (32, 64)][n % 3], seed=n) for n in range(12)]
    answers = call_directly(worker, asked, executor=executor)
    made = [answer.pictures[0] for answer in answers]
    assert [(picture.width, picture.height) for picture in made] == [request.size for request in asked]
    assert sizes == [(2, 8, 8)] * 2 + [(2, 4, 8)] * 2 + [(2, 8, 4)] * 2


def test_the_parts_of_a_call_that_cannot_be_drawn_together_overlap_too(checkpoint: Checkpoints, tmp_path: Path) -> None:
    diary, beside = Diary(), []

    def first(call: int) -> None:
        if call == 1:
            beside.append(diary.saw(stored=1))

    sizes = [(64, 64), (64, 32)]
    asked = [
        Request(request.prompt, request.images, size=size, seed=7)
        for request, size in zip(edits(tmp_path, 2), sizes, strict=True)
    ]
    with running(noting(checkpoint("flux_kontext"), tmp_path / "out", diary, first)) as ask:
        answers = ask(*asked)
    assert beside == [True]
    assert [(answer.pictures[0].width, answer.pictures[0].height) for answer in answers] == sizes


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_row_has_its_picture_after_a_kill_and_out_of_memory_on_two_devices(
    executor: LocalExecutor, checkpoint: Checkpoints, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, flag = checkpoint("flux_kontext"), tmp_path / "killed"
    transformer = Fragile.from_pretrained(folder / "transformer")
    transformer.flag = flag
    settings = {"task": "imageedit", "steps": 1, "size": (64, 64), "batch_size": 2}
    apart = {**settings, "device": ("cpu", "cpu"), "pipe_kwargs": {"transformer": transformer}}
    worker = LocalServing(LocalSettings(str(folder), ImageIO(str(tmp_path / "out")), **apart))  # type: ignore[arg-type]
    whole = {**settings, "device": ("cpu",)}
    plain = LocalServing(LocalSettings(str(folder), ImageIO(str(tmp_path / "alone")), **whole))  # type: ignore[arg-type]
    asked = edits(tmp_path, 8)
    asked += [asked[0], asked[3], *(Request("paint it", one.images, size=(96, 64), seed=7) for one in asked[4:7])]
    answers = call_directly(worker, asked, executor=executor)
    assert flag.exists()
    assert sum("it is started again" in record.message for record in caplog.records) == 1
    with running(plain) as ask:
        for answer, request in zip(answers, asked, strict=True):
            assert abs(pixels(answer) - pixels(ask(request)[0])).max() <= 1

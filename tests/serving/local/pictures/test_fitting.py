"""How many pictures a call on a GPU holds: by their size, by its memory, and by what the first call took."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline, FluxTransformer2DModel

from dataflow.core.records import Request
from dataflow.io.image import ImageIO
from dataflow.models.checkpoint import read_checkpoint
from dataflow.pools.executor import LocalExecutor, call_directly
from dataflow.serving.backends import Plan, backend_of
from dataflow.serving.local.pictures.denoiser import Denoiser
from dataflow.serving.local.pictures.fitting import Card, Fitting, pictures_that_fit, pictures_to_fill
from dataflow.serving.local.pictures.model import LocalModel
from dataflow.serving.local.pictures.prompts import Prompts
from dataflow.serving.local.pictures.serving import LocalServing
from dataflow.serving.local.pictures.settings import LocalSettings

Checkpoints = Callable[[str], Path]
GB = 1 << 30
SQUARE, SMALL, HUGE = (Plan((side, side)) for side in (1024, 512, 2048))


class PlayedCard(Card):
    """A card on which a call takes a share for all of it and one for each of its pictures.

    Args:
        room: bytes beside the weights.
        shared: bytes of a call.
        each: bytes of a picture.

    Attributes:
        drawing: pictures of the call that is measured.
    """

    def __init__(self, room: int, shared: int, each: int) -> None:
        super().__init__("cuda")
        self._room, self._shared, self._each = room, shared, each
        self.drawing = 0

    def room(self) -> int:
        return self._room

    def begin(self) -> int:
        return 24 * GB

    def peak(self) -> int:
        return 24 * GB + self._shared + self.drawing * self._each


def drawn(fitting: Fitting, card: PlayedCard, plan: Plan, waiting: int) -> list[int]:
    """The sizes of the calls that so many pictures make."""
    calls = []
    while waiting:
        card.drawing = min(waiting, fitting.most(plan))
        with fitting.measured(plan, card.drawing):
            calls.append(card.drawing)
        waiting -= card.drawing
    return calls


@pytest.mark.parametrize(
    ("size", "pictures"),
    [((1024, 1024), 4), ((1568, 672), 4), (None, 4), ((512, 512), 16), ((256, 256), 16), ((2048, 2048), 1)],
)
def test_a_call_has_four_megapixels_and_sixteen_pictures_at_most(size: Any, pictures: int) -> None:
    assert pictures_to_fill(size) == pictures


def test_a_tenth_of_the_room_is_spared_and_one_picture_always_tried() -> None:
    assert [pictures_that_fit(room * GB, 3.0 * GB) for room in (0, 2, 9, 10, 40)] == [1, 1, 2, 3, 12]


def test_a_roomy_card_is_filled_from_the_first_call_on() -> None:
    card = PlayedCard(room=40 * GB, shared=GB, each=2 * GB)
    assert drawn(Fitting(card), card, SQUARE, 10) == [4, 4, 2]
    assert drawn(Fitting(card), card, SMALL, 40) == [16, 16, 8]
    assert drawn(Fitting(card), card, HUGE, 2) == [1, 1]


def test_a_small_card_begins_with_few_and_takes_as_many_as_were_seen_to_fit() -> None:
    card = PlayedCard(room=8 * GB, shared=GB, each=GB)
    assert drawn(Fitting(card), card, SQUARE, 8) == [1, 3, 3, 1]


def test_what_one_size_took_is_the_guess_for_the_next() -> None:
    card = PlayedCard(room=12 * GB, shared=0, each=GB)
    fitting = Fitting(card)
    assert drawn(fitting, card, SQUARE, 6) == [2, 4]
    assert fitting.most(Plan((1024, 1536))) == 3
    assert fitting.most(Plan((1024, 1024), ((1024, 1024),))) == 4


def test_a_call_that_failed_settles_nothing() -> None:
    card = PlayedCard(room=40 * GB, shared=0, each=20 * GB)
    fitting = Fitting(card)
    with pytest.raises(torch.OutOfMemoryError), fitting.measured(SQUARE, 4):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    card.drawing = 2
    with fitting.measured(SQUARE, 2):
        pass
    assert fitting.most(SQUARE) == 2


class Small(LocalServing):
    """On a card that has room for two pictures after the first has shown what it takes."""

    def _load(self) -> LocalModel:
        checkpoint = read_checkpoint(Path(self.settings.model))
        backend = backend_of(checkpoint)
        pipeline: Any = DiffusionPipeline.from_pretrained(checkpoint.folder, **self.settings.pipe_kwargs)
        pipeline.set_progress_bar_config(disable=True)
        card = PlayedCard(room=5 * 64 * 64, shared=2 * 64 * 64, each=0)
        prompts = Prompts(pipeline, backend.encoded)
        denoiser = Denoiser(pipeline, pads_text=backend.pads_text)
        return LocalModel(pipeline, denoiser, backend, self.settings, 4, prompts, fitting=Fitting(card))


def test_a_model_draws_as_many_at_once_as_fit(checkpoint: Checkpoints, tmp_path: Path) -> None:
    calls: list[int] = []

    class Noting(FluxTransformer2DModel):
        def forward(self, hidden_states: torch.Tensor, **more: Any) -> Any:
            calls.append(len(hidden_states))
            return super().forward(hidden_states, **more)

    parts = {"transformer": Noting.from_pretrained(checkpoint("flux") / "transformer")}
    arguments: Any = {"steps": 1, "size": (64, 64), "device": ("cpu",), "pipe_kwargs": parts}
    worker = Small(LocalSettings(str(checkpoint("flux")), ImageIO(str(tmp_path)), **arguments))
    executor = LocalExecutor()
    answers = call_directly(worker, [Request("a cat", seed=number) for number in range(8)], executor=executor)
    executor.close()
    assert all(answer.error is None for answer in answers)
    assert len({answer.pictures[0].sha256 for answer in answers}) == 8
    assert calls == [1, 2, 1, 2, 2]

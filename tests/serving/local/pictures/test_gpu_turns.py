"""Text encoders and denoiser taking turns on a card. The CPU plays the card: what is on it is a copy."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from dataflow.core.records import Request
from dataflow.serving.local.pictures.gpu_turns import Swapped, Turns, can_leave, take_turns
from tests.kit.crowded import Crowded
from tests.kit.flow import draw
from tests.kit.pipelines import drawn, loaded, serving
from tests.kit.tiny import running, small_references

Checkpoints = Callable[[str], Path]
CPU = torch.device("cpu")


class Card(Swapped):
    """Parts that find the card full where another of these is on it.

    Attributes:
        full: whether it takes one only.
    """

    on_it: "list[Card]"
    full = True

    def come(self) -> None:
        if self.full and any(other is not self and other.here for other in self.on_it):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        super().come()


def two(*, beside: bool, full: bool) -> tuple[Turns, Card, Card]:
    cards = [Card([torch.nn.Linear(4, 4)], CPU) for _ in range(2)]
    for card in cards:
        card.on_it, card.full = cards, full
    return Turns(cards[0], cards[1], beside=beside), cards[0], cards[1]


def places(parts: Sequence[torch.nn.Module]) -> list[int]:
    return [tensor.data_ptr() for part in parts for tensor in (*part.parameters(), *part.buffers())]


def test_what_leaves_is_what_it_was_and_tied_weights_stay_tied() -> None:
    one, other = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
    other.weight = one.weight
    one.register_buffer("scale", torch.tensor([3.0]), persistent=False)
    before, at_home = one.weight.clone(), places([one, other])
    away = Swapped([one, other], CPU)
    away.come()
    away.come()
    assert not set(places([one, other])) & set(at_home)
    assert other.weight is one.weight
    assert torch.equal(other(torch.ones(1, 4)), torch.nn.functional.linear(torch.ones(1, 4), before, other.bias))
    assert one.scale == 3.0
    away.leave()
    away.leave()
    assert places([one, other]) == at_home
    assert torch.equal(one.weight, before)


def test_what_does_not_fit_is_not_there_at_all() -> None:
    class Large(torch.Tensor):
        def to(self, *args: Any, **more: Any) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    part = torch.nn.Linear(4, 4)
    part.register_buffer("table", torch.ones(9).as_subclass(Large))
    at_home = places([part])
    away = Swapped([part], CPU)
    with pytest.raises(torch.OutOfMemoryError):
        away.come()
    assert not away.here
    assert places([part]) == at_home


def test_the_denoiser_stays_where_the_encoders_fit_beside_it() -> None:
    turns, encoders, denoiser = two(beside=True, full=False)
    turns.draw()
    at = [weight for weight, _ in denoiser._at_home]
    there = [weight.data_ptr() for weight in at]
    for _ in range(2):
        turns.encode()
        assert (encoders.here, denoiser.here) == (True, True)
        turns.draw()
        assert (encoders.here, denoiser.here) == (False, True)
    assert [weight.data_ptr() for weight in at] == there


def test_the_denoiser_leaves_where_they_do_not_fit_beside_it() -> None:
    turns, encoders, denoiser = two(beside=False, full=True)
    for _ in range(2):
        turns.draw()
        assert (encoders.here, denoiser.here) == (False, True)
        turns.encode()
        turns.encode()
        assert (encoders.here, denoiser.here) == (True, False)


def test_an_estimate_that_was_wrong_is_found_out_once(caplog: pytest.LogCaptureFixture) -> None:
    turns, encoders, denoiser = two(beside=True, full=True)
    for _ in range(2):
        turns.draw()
        turns.encode()
        assert (encoders.here, denoiser.here) == (True, False)
    (said,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "do not fit beside the denoiser" in said.getMessage()


def test_encoders_that_do_not_fit_at_all_are_out_of_memory() -> None:
    turns, encoders, _ = two(beside=False, full=True)
    third = Card([torch.nn.Linear(1, 1)], CPU)
    third.on_it = []
    third.come()
    encoders.on_it.append(third)
    with pytest.raises(torch.OutOfMemoryError):
        turns.encode()
    assert not encoders.here


def test_only_plain_tensors_in_memory_can_leave() -> None:
    class Packed(torch.Tensor):
        pass

    part = torch.nn.Linear(2, 2)
    assert can_leave(part)
    assert not can_leave(torch.nn.Linear(2, 2, device="meta"))  # elsewhere
    part.weight = torch.nn.Parameter(torch.ones(2, 2).as_subclass(Packed), requires_grad=False)
    assert not can_leave(part)


@pytest.mark.parametrize("beside", [True, False])
def test_pictures_in_turns_are_the_plain_ones(beside: bool, checkpoint: Checkpoints) -> None:
    pipeline = loaded(checkpoint("flux"))
    expected = drawn(pipeline)
    encoders, denoiser = [pipeline.text_encoder, pipeline.text_encoder_2], [pipeline.transformer]
    at_home = places([*encoders, *denoiser])
    take_turns(pipeline, "cpu", beside=beside)
    assert places(encoders) == at_home[: len(places(encoders))]
    seen: list[tuple[bool, bool]] = []

    def see(*_: Any) -> None:
        now = places([*encoders, *denoiser])
        count = len(places(encoders))
        seen.append((now[:count] != at_home[:count], now[count:] != at_home[count:]))

    for part in (*encoders, *denoiser):
        part.register_forward_hook(see)
    for _ in range(2):
        assert abs(drawn(pipeline) - expected).max() < 1e-5  # sums are rounded by where weights begin
    assert seen == [(True, beside), (True, beside), (False, True), (False, True)] * 2
    assert places(encoders) == at_home[: len(places(encoders))]


def test_families_whose_prompts_are_encoded_with_their_pictures_take_turns_too(
    checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_references(monkeypatch)
    folder = checkpoint("qwen_image_edit")
    asked = Request("paint it", (str(draw(tmp_path / "red.png", "red", (64, 64))),), seed=1)
    with running(serving(folder, tmp_path / "a", Crowded, task="imageedit")) as ask:
        (one,) = ask(asked)
    with running(serving(folder, tmp_path / "b", task="imageedit")) as ask:
        (other,) = ask(asked)
    assert one.error is None
    drawn_in_turns, whole = (numpy.asarray(Image.open(each.pictures[0].path)).astype(int) for each in (one, other))
    assert abs(drawn_in_turns - whole).max() <= 1


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_denoiser_that_left_is_not_compiled_again(checkpoint: Checkpoints) -> None:
    pipeline = loaded(checkpoint("flux"))
    expected = drawn(pipeline)
    take_turns(pipeline, "cpu", beside=False)
    pipeline.transformer.compile_repeated_blocks(fullgraph=True, dynamic=False)
    first = drawn(pipeline)
    with torch._dynamo.config.patch(error_on_recompile=True):
        again = drawn(pipeline)
    assert abs(first - expected).max() < 1e-4
    assert numpy.array_equal(first, again)

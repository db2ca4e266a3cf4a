"""What holds on every device: on the CPU always, on the first CUDA GPU with `make test-gpu`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from dataflow.core.records import Answer, Request
from dataflow.serving.local.pictures.denoiser import Denoiser
from dataflow.serving.local.pictures.fitting import Card
from dataflow.serving.local.pictures.pixels import pixels_of
from dataflow.serving.local.pictures.placing import WAYS, Way, place_in
from dataflow.serving.local.pictures.presets import PRESETS, Preset, Speedups
from dataflow.serving.local.pictures.serving import LocalServing
from tests.kit.flow import draw
from tests.kit.pipelines import drawn, loaded, serving
from tests.kit.pipelines import torchao_on_cpu as torchao_on_cpu
from tests.kit.tiny import DRAWING, running

Checkpoints = Callable[[str], Path]
GPU = "cuda:0"
MEGABYTE = 1 << 20
# Levels of 255 on average: what another number of pictures in a call rounds otherwise, in bfloat16 and in fp8.
ROUNDED = 4.0

CPU_OR_GPU = ["cpu", pytest.param(GPU, marks=pytest.mark.gpu)]
# What a GPU is there for is compiled there, which takes a while and may say something.
pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]


def pixels(answers: list[Answer]) -> list[numpy.ndarray]:
    assert [answer.error for answer in answers] == [None] * len(answers)
    return [numpy.asarray(Image.open(answer.pictures[0].path)).astype(int) for answer in answers]


def asked(place: Path) -> list[Request]:
    """Edits of two pictures in two sizes, one twice but for its seed."""
    red, blue = (str(draw(place / f"{colour}.png", colour, (64, 64))) for colour in ("red", "blue"))
    options = [("paint it", red, 1), ("a hat on it", blue, 2), ("paint it", red, 3), ("move it left", red, 4)]
    large = [Request("paint it", (blue,), size=(96, 64), seed=seed) for seed in (5, 6)]
    small = [Request(prompt, (picture,), size=(64, 64), seed=seed) for prompt, picture, seed in options]
    return [small[0], large[0], *small[1:3], large[1], small[3]]


@pytest.mark.parametrize(
    ("device", "preset"), [("cpu", "exact"), *(pytest.param(GPU, preset, marks=pytest.mark.gpu) for preset in PRESETS)]
)
def test_each_row_has_its_own_picture_whatever_is_drawn_beside_it(
    device: str, preset: Preset, checkpoint: Checkpoints, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def started(folder: str) -> LocalServing:
        model = checkpoint("flux_kontext")
        return serving(model, tmp_path / folder, task="imageedit", device=(device,), preset=preset, size=None)

    requests = asked(tmp_path)
    with running(ours := started("together")) as ask:
        together = pixels(ask(*requests))
        ours_said = [record.getMessage() for record in caplog.records if record.name.startswith("dataflow")]
    with running(started("alone")) as ask:
        alone = [pixels(ask(each))[0] for each in requests]
    assert [each for each in ours_said if not each.startswith("compiling for")] == []  # every speedup is applied
    assert [picture.shape[1::-1] for picture in together] == [each.size for each in requests]
    assert [abs(one - other).mean() < ROUNDED for one, other in zip(together, alone, strict=True)] == [True] * 6
    if ours.batching.max_batch == 1:
        assert [numpy.array_equal(*pair) for pair in zip(together, alone, strict=True)] == [True] * 6
    others = [abs(together[0] - together[at]).mean() for at in (2, 3, 5)]
    assert min(others) > ROUNDED


@pytest.mark.parametrize(
    ("device", "family"),
    [("cpu", "flux"), ("cpu", "qwen_image"), *(pytest.param(GPU, family, marks=pytest.mark.gpu) for family in DRAWING)],
)
def test_prompts_of_different_lengths_share_a_call(
    device: str, family: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    """What is padded is masked, and not every attention kernel takes masks."""
    prompts = ("a cat", "two dogs on a red sofa by the window of an old house", "rain", "a boat on a lake")
    requests = [Request(prompt, seed=seed) for seed, prompt in enumerate(prompts)]
    options: dict[str, Any] = {"device": (device,), "batch_size": 4, "dtype": "bfloat16"}
    with running(serving(checkpoint(family), tmp_path / "together", **options)) as ask:
        together = pixels(ask(*requests))
    with running(serving(checkpoint(family), tmp_path / "alone", **options)) as ask:
        alone = [pixels(ask(each))[0] for each in requests]
    assert [abs(one - other).mean() < ROUNDED for one, other in zip(together, alone, strict=True)] == [True] * 4
    assert min(abs(together[0] - other).mean() for other in together[1:]) > ROUNDED


@pytest.mark.usefixtures("torchao_on_cpu")
@pytest.mark.parametrize("device", CPU_OR_GPU)
@pytest.mark.parametrize("speedups", [Speedups(), Speedups("fast", fp8=True)])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_placing_draws_the_same(
    device: str, way: Way, speedups: Speedups, checkpoint: Checkpoints
) -> None:
    whole, placed = (loaded(checkpoint("flux"), dtype=torch.bfloat16) for _ in range(2))
    for pipeline in (whole, placed):
        if speedups.fp8:
            Denoiser(pipeline, pads_text=True).quantise(device, adapters=False)
    whole.to(device)
    assert place_in(placed, device, way, {"all": 0}, 0) == way
    for _ in range(2):
        assert abs(drawn(placed) - drawn(whole)).max() < 1e-2


@pytest.mark.parametrize("device", CPU_OR_GPU)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_levels_of_a_call_are_those_of_diffusers(dtype: torch.dtype, device: str) -> None:
    noise = torch.randn(2, 3, 40, 24, generator=torch.Generator().manual_seed(1)).to(device, dtype) / 3
    tensors, theirs = (VaeImageProcessor().postprocess(noise, output_type=kind) for kind in ("pt", "pil"))
    ours = [numpy.asarray(one.image()) for one in pixels_of(tensors)]
    assert [numpy.array_equal(*pair) for pair in zip(ours, theirs, strict=True)] == [True, True]


@pytest.mark.gpu
def test_a_card_tells_what_is_free_and_what_was_taken() -> None:
    card, taken = Card(GPU), 256 * MEGABYTE
    room, used = card.room(), card.begin()
    block = torch.empty(taken, dtype=torch.uint8, device=GPU)
    assert abs(room - card.room() - taken) < 32 * MEGABYTE
    del block
    assert abs(room - card.room()) < 32 * MEGABYTE  # torch holds it and can use it
    assert abs(card.peak() - used - taken) < MEGABYTE


@pytest.mark.gpu
def test_calls_that_run_out_of_memory_are_halved_and_every_row_has_its_picture(
    checkpoint: Checkpoints, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    requests = [Request(prompt, size=(1024, 1024), seed=1) for prompt in "abcdefgh"]
    options: dict[str, Any] = {"device": (GPU,), "batch_size": 8}
    with running(serving(checkpoint("flux"), tmp_path / "roomy", **options)) as ask:
        ask(requests[0])
        card = Card(GPU)
        used = card.begin()
        ask(requests[1])
        each = card.peak() - used
        roomy = pixels(ask(*requests))
        torch.cuda.empty_cache()
        most = torch.cuda.memory_reserved(GPU) + 3 * each
        torch.cuda.set_per_process_memory_fraction(most / torch.cuda.get_device_properties(GPU).total_memory, GPU)
        try:
            crowded = pixels(ask(*requests))
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, GPU)
    assert any("out of memory for 8 pictures" in record.getMessage() for record in caplog.records)
    assert [abs(one - other).mean() < ROUNDED for one, other in zip(crowded, roomy, strict=True)] == [True] * 8

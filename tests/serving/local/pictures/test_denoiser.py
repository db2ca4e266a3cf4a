"""Speedups on loaded pipelines: what they do, and that a failing one costs no picture."""

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import AutoencoderKL, FluxPipeline, FluxTransformer2DModel
from diffusers.models.attention_dispatch import _AttentionBackendRegistry

from dataflow.core.records import Request
from dataflow.errors import ConfigError
from dataflow.io.image import ImageIO
from dataflow.models.checkpoint import read_checkpoint
from dataflow.serving.backends import Sample, backend_of
from dataflow.serving.local.pictures.denoiser import Denoiser
from dataflow.serving.local.pictures.load import load
from dataflow.serving.local.pictures.pixels import Pixels
from dataflow.serving.local.pictures.placing import WAYS, Way, place_in
from dataflow.serving.local.pictures.presets import Speedups, StepCache
from dataflow.serving.local.pictures.settings import LocalSettings
from tests.kit.pipelines import digests, drawn, loaded, package, said, serving
from tests.kit.tiny import flux_parts, running

Checkpoints = Callable[[str], Path]
EAGER = StepCache(Fn_compute_blocks=1, max_warmup_steps=1, residual_diff_threshold=100.0)
CAT = "a cat"


# The step cache


def test_turbo_draws_one_at_a_time_and_marks_each_record(
    checkpoint: Checkpoints, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    class Watching(FluxTransformer2DModel):
        def forward(self, hidden_states: torch.Tensor, **more: object) -> object:
            seen.append(len(hidden_states))
            return super().forward(hidden_states, **more)

    asked = [Request(prompt, seed=number) for number, prompt in enumerate(("a cat", "two dogs", "a house"))]
    transformer = Watching.from_pretrained(checkpoint("flux") / "transformer")
    arguments: dict[str, Any] = {"preset": "turbo", "batch_size": 8, "pipe_kwargs": {"transformer": transformer}}
    turbo = serving(checkpoint("flux"), tmp_path, **arguments)
    with running(turbo) as ask:
        together = ask(*asked)
        alone = [ask(request)[0] for request in asked]
    assert turbo.batching.max_batch == 1
    assert set(seen) == {1}
    assert [answer.usage.get("step_cache") for answer in together] == [1.0] * 3
    assert digests(together) == digests(alone)
    assert len(set(digests(together))) == 3
    assert len(said(caplog)) == 1  # fp8
    speedups = turbo.fingerprint()["levers"]
    assert isinstance(speedups, dict)
    assert set(speedups) == {"step_cache"}


def test_a_cache_that_hits_changes_its_own_pipeline_only() -> None:
    parts = flux_parts()
    config = {**parts["transformer"].config, "num_layers": 4, "num_single_layers": 4}
    torch.manual_seed(0)
    parts["transformer"] = FluxTransformer2DModel.from_config(config)
    cached, plain = FluxPipeline(**parts), FluxPipeline(**{**parts, "transformer": copy_of(parts["transformer"])})
    for pipeline in (cached, plain):
        pipeline.set_progress_bar_config(disable=True)
    before = drawn(plain, steps=8)
    call = FluxPipeline.__call__
    denoiser = Denoiser(cached, pads_text=True)
    denoiser.cache_steps(EAGER)
    assert "num_inference_steps" in inspect.signature(cached.__call__).parameters
    first, again = drawn(cached, steps=8), drawn(cached, steps=8)
    assert not numpy.array_equal(first, before)
    assert numpy.array_equal(first, again)
    assert numpy.array_equal(drawn(plain, steps=8), before)
    denoiser.free()
    assert FluxPipeline.__call__ is call
    assert numpy.array_equal(drawn(cached, steps=8), before)


@pytest.mark.parametrize("way", WAYS)
def test_a_cache_still_hits_in_the_second_call_however_the_model_comes_to_the_card(
    way: Way, checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CPU plays the card; diffusers puts its hooks on anew after each call."""
    monkeypatch.setattr(
        "dataflow.serving.local.pictures.load.place",
        lambda pipeline, device: place_in(pipeline, device, way, {"all": 0}, 0),
    )
    found = read_checkpoint(checkpoint("flux"))
    backend = backend_of(found)
    config = FluxTransformer2DModel.load_config(found.folder / "transformer")
    torch.manual_seed(0)
    deep = FluxTransformer2DModel.from_config({**config, "num_layers": 4, "num_single_layers": 4})
    sample = Sample(backend.plan((64, 64), ()), CAT, (), 1)

    def pictures(speedups: Speedups) -> list[bytes]:
        arguments: Any = {"steps": 8, "device": ("cpu",), "pipe_kwargs": {"transformer": copy_of(deep)}}
        settings = LocalSettings(str(found.folder), ImageIO(str(tmp_path)), **arguments)
        model = load(found, backend, settings, "cpu", speedups=speedups, at_once=1)
        made = [drawn for _ in range(2) for drawn in model.draw([sample]) if isinstance(drawn, Pixels)]
        model.free()
        return [each.image().tobytes() for each in made]

    plain, cached = pictures(Speedups()), pictures(Speedups("turbo", cache=EAGER))
    assert cached[0] == cached[1] != plain[0] == plain[1]


def copy_of(transformer: Any) -> Any:
    copy = FluxTransformer2DModel.from_config(transformer.config)
    copy.load_state_dict(transformer.state_dict())
    return copy


def test_a_cache_that_fails_stops_the_run_before_a_picture_is_drawn(
    checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "def DBCacheConfig(**settings): pass\ndef enable_cache(*args, **more): raise ValueError('unknown pipeline')\n"
    )
    turbo = serving(checkpoint("flux"), tmp_path, preset="turbo")
    turbo.fingerprint()
    package(tmp_path, "cache_dit", code, monkeypatch)
    with (
        pytest.raises(ConfigError, match=r"a step cache \(cache-dit\): unknown pipeline.*preset='exact'"),
        running(turbo),
    ):
        pass


# Attention and compiling


def breaking(transformer: Any) -> None:
    """Let a block do what cannot be compiled as a whole."""
    block = transformer.transformer_blocks[0]
    plain = block.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        torch._dynamo.graph_break()
        return plain(*args, **kwargs)

    block.forward = forward


def test_speedups_that_fail_are_removed_one_by_one_and_the_picture_is_the_plain_one(
    checkpoint: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = loaded(checkpoint("flux"))
    expected = drawn(pipeline)
    breaking(pipeline.transformer)
    active = _AttentionBackendRegistry.get_active_backend()
    denoiser = Denoiser(pipeline, pads_text=True)
    denoiser.apply_lossless(Speedups(attention="_native_cudnn", compiled=True))
    assert _AttentionBackendRegistry.get_active_backend() == active
    assert denoiser.compiled
    warming = []

    def draw() -> numpy.ndarray:
        warming.append(denoiser.warming)
        return drawn(pipeline)

    for _ in range(2):
        assert numpy.array_equal(denoiser.run("a shape", "64 x 64", draw), expected)
    assert warming == ["compiling for 64 x 64"] * 3 + [""]
    assert not denoiser.compiled
    found = said(caplog)
    assert [found[0].partition(":")[0], found[1].partition(";")[0], found[2].partition(";")[0]] == [
        "compiling for 64 x 64",
        "_native_cudnn attention does not work here and is left out",
        "compiling does not work here and is left out",
    ]
    assert len(found) == 3


def test_a_speedup_the_model_does_not_have_is_left_out_when_it_is_applied(
    checkpoint: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = loaded(checkpoint("flux"))
    expected = drawn(pipeline)
    pipeline.transformer._repeated_blocks = []
    denoiser = Denoiser(pipeline, pads_text=True)
    denoiser.apply_lossless(Speedups(attention="no_such_kernel", compiled=True))
    assert [one.partition(" does not work here")[0] for one in said(caplog)] == [
        "compiling",
        "no_such_kernel attention",
    ]
    assert numpy.array_equal(denoiser.run("a shape", "64 x 64", lambda: drawn(pipeline)), expected)


def test_what_is_no_speedups_fault_is_raised_as_it_is_and_costs_no_speedup(
    checkpoint: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ValueError("no such prompt")

    denoiser = Denoiser(loaded(checkpoint("flux")), pads_text=True)
    denoiser.apply_lossless(Speedups(attention="_native_cudnn", compiled=True))
    for _ in range(2):
        with pytest.raises(ValueError, match="no such prompt"):
            denoiser.run("a shape", "64 x 64", broken)
    assert denoiser.compiled
    assert {line.partition(":")[0] for line in said(caplog)} == {"compiling for 64 x 64"}


def test_a_mistake_in_code_is_no_speedups_fault(checkpoint: Checkpoints, caplog: pytest.LogCaptureFixture) -> None:
    def mistaken() -> None:
        raise AttributeError("no such field")

    denoiser = Denoiser(loaded(checkpoint("flux")), pads_text=True)
    denoiser.apply_lossless(Speedups(attention="_native_cudnn"))
    with pytest.raises(AttributeError, match="no such field"):
        denoiser.run("a shape", "64 x 64", mistaken)
    assert said(caplog) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("preset", [Speedups(compiled=True), Speedups(compiled=True, cache=EAGER)])
def test_compiled_pictures_are_the_plain_ones_but_for_rounding(
    preset: Speedups, checkpoint: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = loaded(checkpoint("flux"))
    denoiser = Denoiser(pipeline, pads_text=True)
    if preset.cache is not None:
        denoiser.cache_steps(preset.cache)
    expected = drawn(pipeline)
    denoiser.apply_lossless(preset)
    assert abs(denoiser.run("a shape", "64 x 64", lambda: drawn(pipeline)) - expected).max() < 1e-4
    assert [one.partition(":")[0] for one in said(caplog)] == ["compiling for 64 x 64"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
def test_many_shapes_share_what_is_compiled(
    checkpoint: Checkpoints, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataflow.serving.local.pictures.denoiser._COMPILED_SHAPES", 2)
    pipeline = loaded(checkpoint("flux"))
    widths = (64, 96, 128, 160, 64)
    expected = [drawn(pipeline, width=width) for width in widths]
    denoiser = Denoiser(pipeline, pads_text=True)
    denoiser.apply_lossless(Speedups(compiled=True))
    made = []
    for number, width in enumerate(widths):
        with torch._dynamo.config.patch(error_on_recompile=number > 2):
            made.append(denoiser.run(width, f"{width} x 64", partial(drawn, pipeline, width=width)))
    assert [abs(one - other).max() < 1e-4 for one, other in zip(made, expected, strict=True)] == [True] * 5
    assert [one.partition(":")[0].partition(";")[0] for one in said(caplog)] == [
        "compiling for 64 x 64",
        "compiling for 96 x 64",
        "2 shapes are compiled each by itself",
        "compiling for 128 x 64",
    ]
    assert not denoiser.compiled


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
def test_an_attention_kernel_that_is_not_there_does_not_cost_compiling(
    checkpoint: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = loaded(checkpoint("flux"))
    expected = drawn(pipeline)
    denoiser = Denoiser(pipeline, pads_text=True)
    denoiser.apply_lossless(Speedups(attention="_native_cudnn", compiled=True))
    assert abs(denoiser.run("a shape", "64 x 64", lambda: drawn(pipeline)) - expected).max() < 1e-4
    assert denoiser.compiled
    assert [one.partition(" does not work")[0] for one in said(caplog)[1:]] == ["_native_cudnn attention"]


# Memory


class CrampedDecoder(AutoencoderKL):
    """Runs out of memory above 64 x 64 unless it works in tiles."""

    wholes = 0

    def decode(self, z: torch.Tensor, return_dict: bool = True, generator: Any = None) -> Any:
        if z.shape[-1] > 8 and not self.use_tiling:
            self.wholes += 1
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().decode(z, return_dict, generator)


def test_a_picture_too_large_to_decode_whole_is_decoded_in_tiles(
    checkpoint: Checkpoints, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vae = CrampedDecoder.from_pretrained(checkpoint("flux") / "vae")
    small, large = Request(CAT, seed=1), [Request(prompt, size=(96, 96), seed=1) for prompt in (CAT, "a dog", "a hat")]
    with running(serving(checkpoint("flux"), tmp_path / "a", pipe_kwargs={"vae": vae})) as ask:
        tiled = ask(*large, small)
        wholes = vae.wholes
        ask(large[0])
    with running(serving(checkpoint("flux"), tmp_path / "b")) as ask:
        whole = ask(*large, small)
    assert [(answer.pictures[0].width, answer.error) for answer in tiled] == [(96, None)] * 3 + [(64, None)]
    assert digests(tiled)[3] == digests(whole)[3]
    assert len(set(digests(tiled))) == 4
    assert wholes == vae.wholes  # once known, not tried again
    assert [one for one in said(caplog) if "in tiles" in one] == [
        "out of memory for one picture of 96 x 96: from now on those of its size are decoded in tiles"
    ]


def test_one_that_tiles_do_not_help_fails_its_row(checkpoint: Checkpoints, tmp_path: Path) -> None:
    class Never(AutoencoderKL):
        def decode(self, *args: Any, **more: Any) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    vae = Never.from_pretrained(checkpoint("flux") / "vae")
    with running(serving(checkpoint("flux"), tmp_path, pipe_kwargs={"vae": vae})) as ask:
        answers = ask(Request(CAT), Request("a dog"))
    assert [answer.error.kind for answer in answers] == ["retry"] * 2
    assert not vae.use_tiling

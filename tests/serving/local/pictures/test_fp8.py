"""fp8 by torchao: which layers, with LoRAs and step caches, and what is promised where it cannot be had."""

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from PIL import Image

from dataflow.core.records import Answer, Request
from dataflow.errors import ConfigError
from dataflow.pools.machine import Machine
from dataflow.serving.local.pictures.denoiser import Denoiser, block_layers, merge_adapters
from dataflow.serving.local.pictures.placing import bytes_on
from dataflow.serving.local.pictures.presets import Speedups, StepCache
from tests.kit.pipelines import digests, drawn, loaded, said, serving
from tests.kit.pipelines import torchao_on_cpu as torchao_on_cpu
from tests.kit.tiny import running

Checkpoints = Callable[[str], Path]
CLOSE = 4.0  # levels of 255: 8 bits change 1 to 2 of them on average, another prompt 55


@pytest.fixture
def as_on_a_gpu(torchao_on_cpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver takes the CPU for a card that computes in 8 bits."""
    monkeypatch.setattr("dataflow.serving.local.pictures.serving.machine_of", lambda devices: Machine("cuda", (8, 9)))
    monkeypatch.setattr("dataflow.serving.local.pictures.serving.add_lossless", lambda speedups, *facts: speedups)


def pixels(answers: list[Answer]) -> numpy.ndarray:
    return numpy.array([numpy.array(Image.open(answer.pictures[0].path)) for answer in answers], dtype=float)


def in_eight_bits(model: torch.nn.Module) -> set[str]:
    layers = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    return {name for name, layer in layers.items() if type(layer.weight).__name__ == "Float8Tensor"}


def test_only_large_layers_of_the_blocks_become_fp8(checkpoint: Checkpoints) -> None:
    transformer = loaded(checkpoint("flux")).transformer
    names = {name for name, module in transformer.named_modules() if module in block_layers(transformer)}
    assert {"single_transformer_blocks.0.proj_out", "transformer_blocks.0.attn.to_q"} <= names
    assert all(name.startswith(("transformer_blocks.", "single_transformer_blocks.")) for name in names)
    transformer.transformer_blocks[0].attn.to_q = torch.nn.Linear(16, 24)  # 24 is no multiple of 16
    names = {name for name, module in transformer.named_modules() if module in block_layers(transformer)}
    assert "transformer_blocks.0.attn.to_q" not in names


@pytest.mark.usefixtures("torchao_on_cpu")
def test_what_lies_on_a_card_counts_as_it_is_stored(checkpoint: Checkpoints) -> None:
    pipeline = loaded(checkpoint("flux"), dtype=torch.bfloat16)
    before = bytes_on(pipeline, "cpu")
    spared = sum(layer.weight.numel() - 4 * layer.out_features for layer in block_layers(pipeline.transformer))
    Denoiser(pipeline, pads_text=True).quantise("cpu", adapters=False)
    assert bytes_on(pipeline, "cpu") == before - spared  # a byte of two, and a scale of four for each row
    assert bytes_on(pipeline, "meta") == 0


def adapted(folder: Path, place: Path, *, strength: float) -> FluxPipeline:
    """The pipeline with a LoRA."""
    import peft

    torch.manual_seed(0)
    transformer = FluxTransformer2DModel.from_pretrained(folder / "transformer")
    transformer.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    layers = peft.utils.get_peft_model_state_dict(transformer)
    FluxPipeline.save_lora_weights(place / "lora", transformer_lora_layers=layers)
    pipeline = loaded(folder, dtype=torch.bfloat16)
    pipeline.load_lora_weights(place / "lora", adapter_name="lora0")
    pipeline.set_adapters(["lora0"], [strength])
    return pipeline


def test_merged_adapters_draw_what_the_adapters_drew(checkpoint: Checkpoints, tmp_path: Path) -> None:
    pipeline = adapted(checkpoint("flux"), tmp_path, strength=0.5).to(torch.float32)
    plain, before = drawn(loaded(checkpoint("flux"))), drawn(pipeline)
    count = len(block_layers(loaded(checkpoint("flux")).transformer))
    merge_adapters(pipeline)
    assert abs(before - plain).max() > 0.01
    assert abs(drawn(pipeline) - before).max() < 1e-4
    assert len(block_layers(pipeline.transformer)) == count  # plain layers again


@pytest.mark.usefixtures("torchao_on_cpu")
def test_adapters_are_in_the_eight_bits(checkpoint: Checkpoints, tmp_path: Path) -> None:
    pipeline = adapted(checkpoint("flux"), tmp_path, strength=2.0)
    plain, before = drawn(loaded(checkpoint("flux"), dtype=torch.bfloat16)), drawn(pipeline)
    Denoiser(pipeline, pads_text=True).quantise("cpu", adapters=True)
    rounding = abs(drawn(pipeline) - before).mean()
    assert in_eight_bits(pipeline.transformer)
    assert 0 < rounding < abs(plain - before).mean() / 2


def test_an_fp8_that_fails_stops_the_run_before_a_picture_is_drawn(checkpoint: Checkpoints) -> None:
    """The ids say fp8: pictures without it under them would be mistaken for it ever after."""
    denoiser = Denoiser(loaded(checkpoint("flux")), pads_text=True)
    with pytest.raises(ConfigError, match=r"fp8 \(torchao\): Float8 .* requires CUDA.*preset='exact'"):
        denoiser.quantise("cpu", adapters=False)


def test_a_model_without_blocks_cannot_have_fp8(checkpoint: Checkpoints) -> None:
    pipeline = loaded(checkpoint("flux"))
    pipeline.transformer._repeated_blocks = []
    with pytest.raises(ConfigError, match=r"fp8 \(torchao\): FluxTransformer2DModel has no plain linear layers"):
        Denoiser(pipeline, pads_text=True).quantise("cpu", adapters=False)


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_card_too_small_for_fp8_is_said_to_be_too_small(
    checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **more: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("torchao.quantization.quantize_", full)
    fast = serving(checkpoint("flux"), tmp_path, dtype="bfloat16", preset="fast")
    with pytest.raises(ConfigError, match="does not fit on cpu"), running(fast):
        pass


def test_fast_without_its_hardware_draws_what_exact_draws(
    checkpoint: Checkpoints, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = [Request(prompt, seed=number) for number, prompt in enumerate(("a cat", "two dogs", "a house"))]
    with running(serving(checkpoint("flux"), tmp_path / "exact")) as ask:
        exact = ask(*asked)
    assert said(caplog) == []
    fast = serving(checkpoint("flux"), tmp_path / "fast", preset="fast")
    with running(fast) as ask:
        answers = ask(*asked)
        ask(asked[0])
    (warning,) = said(caplog)
    assert "no fp8 (cpu" in warning
    assert digests(answers) == digests(exact)
    assert len(set(digests(exact))) == 3
    assert fast.fingerprint()["preset"] == "fast"
    assert fast.fingerprint()["levers"] == {}
    assert answers[0].usage == exact[0].usage


@pytest.mark.usefixtures("as_on_a_gpu")
def test_fast_draws_nearly_what_exact_draws_and_says_that_it_is_fp8(
    checkpoint: Checkpoints, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = [Request(prompt, seed=number) for number, prompt in enumerate(("a cat", "two dogs", "a house"))]
    fast = serving(checkpoint("flux"), tmp_path / "fast", dtype="bfloat16", preset="fast")
    with running(fast) as ask:
        answers = ask(*asked)
    with running(serving(checkpoint("flux"), tmp_path / "exact", dtype="bfloat16")) as ask:
        exact = ask(*asked)
    changed = abs(pixels(answers) - pixels(exact)).mean(axis=(1, 2, 3))
    assert (changed > 0).all()
    assert (changed < CLOSE).all()
    assert fast.fingerprint()["levers"] == {"fp8": "rowwise"}
    assert [answer.usage.get("fp8") for answer in answers] == [1.0] * 3
    assert "fp8" not in exact[0].usage
    assert said(caplog) == []


@pytest.mark.usefixtures("as_on_a_gpu")
def test_turbo_has_both_and_marks_each_record(checkpoint: Checkpoints, tmp_path: Path) -> None:
    turbo = serving(checkpoint("flux"), tmp_path, dtype="bfloat16", preset="turbo")
    with running(turbo) as ask:
        answers = ask(Request("a cat", seed=1), Request("a dog", seed=1))
    speedups = turbo.fingerprint()["levers"]
    assert isinstance(speedups, dict)
    assert set(speedups) == {"fp8", "step_cache"}
    assert [(each.usage["fp8"], each.usage["step_cache"], each.error) for each in answers] == [(1.0, 1.0, None)] * 2
    assert len(set(digests(answers))) == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("torchao_on_cpu")
@pytest.mark.parametrize("cache", [None, StepCache(Fn_compute_blocks=1, max_warmup_steps=1)])
def test_all_speedups_together_draw_what_fp8_draws(checkpoint: Checkpoints, cache: StepCache | None) -> None:
    pipeline = loaded(checkpoint("flux"), dtype=torch.bfloat16)
    denoiser = Denoiser(pipeline, pads_text=True)
    denoiser.quantise("cpu", adapters=False)
    if cache is not None:
        denoiser.cache_steps(cache)
    eager = drawn(pipeline)
    denoiser.apply_lossless(Speedups(compiled=True))
    assert abs(denoiser.run("a shape", "64 x 64", lambda: drawn(pipeline)) - eager).mean() < CLOSE / 255
    assert denoiser.compiled

"""LoRAs as their makers save them, and the settings of Lightning: 4 or 8 steps without guidance."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.records import Request
from tests.kit.flow import draw
from tests.kit.pipelines import pixels, serving
from tests.kit.tiny import running, small_references

Checkpoints = Callable[[str], Path]
LAYER, RANK, ALPHA = "transformer_blocks.0.attn.to_q", 2, 4.0


def written(folder: Path, kind: str) -> Path:
    """One LoRA of one layer of the tiny Qwen, under the names that each kind has for it."""
    import torch
    from safetensors.torch import save_file

    noise = torch.Generator().manual_seed(3)
    down, up = (torch.randn(shape, generator=noise) for shape in ((RANK, 16), (16, RANK)))
    alpha = {"alpha": torch.tensor(ALPHA)}
    scaled = up * ALPHA / RANK  # what knows no alpha has it in its weights
    files: Mapping[str, Mapping[str, Any]] = {
        "diffusers": {f"transformer.{LAYER}.lora_A.weight": down, f"transformer.{LAYER}.lora_B.weight": scaled},
        "lightning": _named(LAYER, down, up, alpha),
        "comfy": _named(f"diffusion_model.{LAYER}", down, up, alpha),
        "kohya": _named(f"lora_unet_{LAYER.replace('.', '_')}", down, up, alpha),
    }
    path = folder / f"{kind}.safetensors"
    save_file(dict(files[kind]), path)
    return path


def _named(layer: str, down: Any, up: Any, alpha: Mapping[str, Any]) -> dict[str, Any]:
    weights = {"lora_down.weight": down, "lora_up.weight": up, **alpha}
    return {f"{layer}.{name}": weight for name, weight in weights.items()}


def test_a_lora_is_the_same_under_the_names_of_every_kind(checkpoint: Checkpoints, tmp_path: Path) -> None:
    made = {}
    for kind in ("", "diffusers", "lightning", "comfy", "kohya"):
        lora = ((written(tmp_path, kind), 1.0),) if kind else ()
        with running(serving(checkpoint("qwen_image"), tmp_path / f"out{kind}", lora=lora)) as ask:
            made[kind] = pixels(ask(Request("a fox", seed=7))[0])
    assert abs(made["diffusers"] - made[""]).max() > 2
    assert {kind for kind, picture in made.items() if abs(picture - made["diffusers"]).max() > 1} == {""}


@pytest.mark.parametrize("steps", [4, 8])
def test_lightning_draws_each_step_once_by_its_own_shift(
    steps: int,
    checkpoint: Checkpoints,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler, QwenImageTransformer2DModel

    small_references(monkeypatch)
    times: list[float] = []
    own = QwenImageTransformer2DModel.forward

    def watching(self: Any, *args: Any, timestep: Any, **kwargs: Any) -> Any:
        times.append(float(timestep[0]))
        return own(self, *args, timestep=timestep, **kwargs)

    monkeypatch.setattr(QwenImageTransformer2DModel, "forward", watching)
    shift = math.log(3)
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, base_shift=shift, max_shift=shift)
    settings: dict[str, Any] = {
        "lora": ((written(tmp_path, "lightning"), 1.0),),
        "steps": steps,
        "guidance": 1.0,
        "pipe_kwargs": {"scheduler": scheduler},
    }
    red = str(draw(tmp_path / "red.png", "red", (64, 64)))
    model = serving(checkpoint("qwen_image_edit_plus"), tmp_path / "out", task="imageedit", **settings)
    with running(model) as ask:
        pixels(ask(Request("a fox", (red,), seed=7))[0])
    even = [1 - step / steps for step in range(steps)]
    assert times == pytest.approx([3 * sigma / (1 + 2 * sigma) for sigma in even], abs=1e-4)
    assert [each.message for each in caplog.records if "negative_prompt" in each.message] == []
    assert "base_shift" in str(model.fingerprint())

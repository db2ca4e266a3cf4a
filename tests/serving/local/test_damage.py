"""Damage that shows only while loading is reported with its fix; a mistake in code is not reported as damage."""

import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import Checkpoint, read_checkpoint
from dataflow.serving.backends.flux import Flux
from dataflow.serving.local.damage import damage_explained
from dataflow.serving.local.pictures.load import load
from dataflow.serving.local.pictures.presets import Speedups
from dataflow.serving.local_llm_serving import LocalLLMServing
from tests.kit.pipelines import serving
from tests.kit.tiny import running

Checkpoints = Callable[[str], Path]
Damage = Callable[[Path], object]

TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"
ENCODER = "text_encoder/model.safetensors"


def cut(path: Path) -> None:
    """As a download that broke off."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def as_pickle(path: Path, keep: float) -> None:
    """The weights as a .bin file, of which only a share is there."""
    name = "pytorch_model.bin" if path.name == "model.safetensors" else path.with_suffix(".bin").name
    target = path.with_name(name)
    torch.save(load_file(path), target)
    content = target.read_bytes()
    target.write_bytes(content[: int(len(content) * keep)])
    path.unlink()


def without_a_weight(path: Path) -> None:
    weights = {name: weight.clone() for name, weight in load_file(path).items()}
    del weights[min(weights)]
    save_file(weights, path, {"format": "pt"})


def setting(path: Path, **settings: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: as_pickle(f / TRANSFORMER, 0.9), "diffusion_pytorch_model.bin"),
        (lambda f: as_pickle(f / ENCODER, 0.9), "Download|download"),
        (lambda f: as_pickle(f / ENCODER, 0.0), "download it again"),
        (lambda f: without_a_weight(f / TRANSFORMER), "its transformer lack 1 of the weights"),
        (lambda f: without_a_weight(f / "vae/diffusion_pytorch_model.safetensors"), "its vae lack 1 of the weights"),
        (lambda f: setting(f / "transformer/config.json", joint_attention_dim=32), "expected shape"),
        (lambda f: setting(f / "text_encoder/config.json", hidden_size="large"), "hidden_size"),
        (lambda f: cut(f / "scheduler/scheduler_config.json"), "scheduler_config.json"),
        (lambda f: cut(f / "tokenizer_2/tokenizer.json"), "download it again"),
        (lambda f: setting(f / "model_index.json", transformer=["diffusers", "NoSuchModel"]), "NoSuchModel"),
    ],
)
def test_a_pipeline_whose_files_are_damaged_is_to_be_downloaded_again(
    damage: Damage, said: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(checkpoint("flux"), tmp_path / "flux"))
    damage(folder)
    with (
        pytest.raises(ConfigError, match=rf"(?s)cannot be loaded as FluxPipeline.*({said})"),
        running(serving(folder, tmp_path / "out")),
    ):
        pass


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: as_pickle(f / "model.safetensors", 0.9), "download it again"),
        (lambda f: as_pickle(f / "model.safetensors", 0.0), "download it again"),
        (lambda f: without_a_weight(f / "model.safetensors"), "lack 1 of the weights"),
        (lambda f: setting(f / "config.json", num_attention_heads=7), "multiple of the number of attent"),
        (lambda f: setting(f / "config.json", model_type="nobody"), "nobody"),
        (lambda f: cut(f / "tokenizer.json"), "Download it again"),
    ],
)
def test_a_language_model_whose_files_are_damaged_is_to_be_downloaded_again(
    damage: Damage, said: str, text_checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(text_checkpoint("llama"), tmp_path / "llama"))
    damage(folder)
    with (
        pytest.raises(ConfigError, match=rf"(?s)cannot be loaded.*({said})"),
        running(LocalLLMServing(folder, device="cpu")),
    ):
        pass


def test_a_lora_that_is_damaged_is_named(checkpoint: Checkpoints, tmp_path: Path) -> None:
    lora = tmp_path / "lora.safetensors"
    save_file({"no.adapter": torch.zeros(2)}, lora)
    for size in (lora.stat().st_size, 10):
        lora.write_bytes(lora.read_bytes()[:size])
        made = serving(checkpoint("flux"), tmp_path, lora=((str(lora), 1.0),))
        with pytest.raises(ConfigError, match=r"lora='.*lora.safetensors' cannot be loaded"), running(made):
            pass


class Mistaken(Flux):
    """A family whose code has a mistake."""

    def components(self, checkpoint: Checkpoint) -> dict[str, object]:
        return {"vae": checkpoint.vae}  # type: ignore[attr-defined]


def test_a_mistake_in_our_own_code_is_not_reported_as_damage(checkpoint: Checkpoints, tmp_path: Path) -> None:
    found = read_checkpoint(checkpoint("flux"))
    with pytest.raises(AttributeError, match="vae"):
        load(found, Mistaken(found), serving(found.folder, tmp_path).settings, "cpu", speedups=Speedups(), at_once=1)


@pytest.mark.parametrize("mistake", [AttributeError("x"), TypeError("x"), KeyError("x"), AssertionError("x")])
def test_mistakes_go_through_as_they_are(mistake: Exception) -> None:
    with pytest.raises(type(mistake)) as caught, damage_explained("a model cannot be loaded", "Download it again"):
        raise mistake
    assert caught.value is mistake


def test_a_library_that_is_missing_is_named() -> None:
    with (
        pytest.raises(ConfigError, match=r"it needs a library that is not installed: .*no_such_library"),
        damage_explained("a model cannot be loaded", "Download it again"),
    ):
        importlib.import_module("no_such_library")

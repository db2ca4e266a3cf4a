"""A damaged or unfit language model is named by file and fix before any weights are read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.models.text_checkpoint import TransformersLayout

Damage = Callable[[Path], object]


@pytest.fixture
def folder(text_checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(text_checkpoint("llama"), tmp_path / "model"))


def become(folder: Path, name: str) -> None:
    (folder / "config.json").unlink()
    (folder / name).write_text("{}")


@pytest.mark.parametrize(
    ("damage", "file", "fix"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json", "give a folder with a config.json"),
        (lambda f: (f / "config.json").write_text("["), "config.json", "download this file again"),
        (lambda f: become(f, "model_index.json"), "config.json", "LocalImageGenServing"),
        (lambda f: become(f, "adapter_config.json"), "config.json", "give it as lora="),
        (lambda f: become(f, "a.gguf"), "config.json", "llama.cpp"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\1\0"), "model.safetensors", "cut short"),
        (lambda f: (f / "model.safetensors").unlink(), "*.safetensors", "its weights"),
        (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json", "its vocabulary"),
        (lambda f: (f / "chat_template.jinja").unlink(), "chat template", "instruct"),
    ],
)
def test_damage_is_named_with_its_fix(damage: Damage, file: str, fix: str, folder: Path) -> None:
    TransformersLayout().check(folder)
    damage(folder)
    with pytest.raises(ConfigError) as caught:
        TransformersLayout().check(folder)
    assert file in str(caught.value)
    assert fix in str(caught.value)


def test_a_template_may_stand_in_the_tokenizers_settings(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": "{{ messages }}"}))
    TransformersLayout().check(folder)


def test_only_what_is_loaded_is_downloaded_and_counts() -> None:
    names = ["README.md", "config.json", "consolidated.safetensors", "model.safetensors", "pytorch_model.bin"]
    names += ["merges.txt", "tokenizer.model", "chat_template.jinja", "onnx/model.onnx", "original/params.json"]
    names += ["model-Q4.gguf", "figure.png", ".gitattributes", "modeling_own.py"]
    wanted = ["README.md", "config.json", "model.safetensors", "merges.txt", "tokenizer.model", "chat_template.jinja"]
    assert [name for name in names if TransformersLayout().wants(name, names)] == wanted
    assert TransformersLayout().wants("pytorch_model.bin", ["config.json", "pytorch_model.bin"])

"""A damaged checkpoint is named by file and fix before any weights are read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import DiffusersLayout, check_parts, part_files, read_checkpoint
from tests.kit.tiny import DRAWING, EDITING, VARIANTS

Damage = Callable[[Path], object]


@pytest.fixture
def folder(checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint("qwen_image_edit"), tmp_path / "model"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def name_a_shard(folder: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (folder / "vae" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))


WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"


@pytest.mark.parametrize(
    ("damage", "file", "fix"),
    [
        (lambda f: (f / "model_index.json").unlink(), "model_index.json", "give the folder of a diffusers checkpoint"),
        (lambda f: (f / "model_index.json").write_text("{"), "model_index.json", "download"),
        (lambda f: (f / "model_index.json").write_text("{}"), "model_index.json", "names no pipeline"),
        (lambda f: shutil.rmtree(f / "tokenizer"), "model/tokenizer", "Download the checkpoint again"),
        (lambda f: (f / "tokenizer/tokenizer.json").unlink(), "tokenizer/tokenizer.json", "its vocabulary"),
        (lambda f: (f / "processor/preprocessor_config.json").unlink(), "preprocessor_config.json", "its settings"),
        (lambda f: (f / "scheduler/scheduler_config.json").unlink(), "scheduler_config.json", "its settings"),
        (lambda f: (f / "vae/config.json").write_text("["), "vae/config.json", "download this file again"),
        (lambda f: (f / WEIGHTS).unlink(), "transformer/*.safetensors", "its weights"),
        (lambda f: cut(f / WEIGHTS), WEIGHTS, "cut short"),
        (lambda f: (f / WEIGHTS).write_bytes(b"\1\0"), WEIGHTS, "cut short"),
        (lambda f: (f / WEIGHTS).write_bytes(b"\5" + b"\0" * 7 + b"hello"), WEIGHTS, "header"),
        (lambda f: (f / WEIGHTS).write_bytes(POINTER), WEIGHTS, "git lfs pull"),
        (name_a_shard, "model-00001-of-00002.safetensors", "a part of the weights"),
    ],
)
def test_damage_is_named_with_its_fix(damage: Damage, file: str, fix: str, folder: Path) -> None:
    damage(folder)
    with pytest.raises(ConfigError) as caught:
        check_parts(read_checkpoint(folder))
    assert file in str(caught.value)
    assert fix in str(caught.value)


@pytest.mark.parametrize("family", sorted({*DRAWING, *EDITING, *VARIANTS}))
def test_whatever_is_missing_or_cut_short_is_named_in_every_family(
    family: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(checkpoint(family), tmp_path / "model"))
    whole = read_checkpoint(folder)
    check_parts(whole)

    def said() -> str:
        with pytest.raises(ConfigError) as caught:
            check_parts(whole)
        return str(caught.value)

    for part in whole.parts():
        away = (folder / part).rename(tmp_path / part)
        assert f"{folder / part} is missing" in said()
        away.rename(folder / part)
    weights, vocabularies = sorted(folder.rglob("*.safetensors")), sorted(folder.rglob("tokenizer.json"))
    assert len(weights) >= 3
    assert vocabularies
    for path in weights:
        before = path.read_bytes()
        cut(path)
        assert f"{path} is damaged or cut short" in said()
        path.write_bytes(before)
    for path in vocabularies:
        away = path.rename(tmp_path / "away.json")
        assert f"{path} is missing: " in said()
        assert "vocabulary" in said()
        away.rename(path)
    check_parts(whole)


def test_a_whole_checkpoint_passes(folder: Path) -> None:
    check_parts(read_checkpoint(folder))


def test_parts_that_the_user_hands_over_may_be_absent(folder: Path) -> None:
    shutil.rmtree(folder / "transformer")
    check_parts(read_checkpoint(folder), given={"transformer"})


def test_a_part_that_the_checkpoint_leaves_out_is_not_missed(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    index["image_encoder"] = [None, None]
    (folder / "model_index.json").write_text(json.dumps(index))
    check_parts(read_checkpoint(folder))


def test_its_files_are_listed_in_one_order_and_without_notes(folder: Path) -> None:
    (folder / "vae" / "README.md").write_text("notes")
    (folder / "notes.json").write_text("{}")
    names = [path.relative_to(folder).as_posix() for path in part_files(read_checkpoint(folder))]
    assert names[0] == "model_index.json"
    assert names[1:] == sorted(names[1:])
    assert not [name for name in names if "README" in name or "notes" in name]


def test_only_what_is_loaded_is_downloaded() -> None:
    names = ["model_index.json", "README.md", "flux1-dev.safetensors", "teaser.png", "vae/config.json"]
    names += ["vae/a.safetensors", "vae/a.bin", "unet/a.bin", "vae/model.onnx", "tokenizer/merges.txt"]
    assert [name for name in names if DiffusersLayout().wants(name, names)] == [
        "model_index.json",
        "README.md",
        "vae/config.json",
        "vae/a.safetensors",
        "unet/a.bin",
        "tokenizer/merges.txt",
    ]

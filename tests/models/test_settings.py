"""The small files of a checkpoint are read before its weights are here."""

import json
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import DiffusersLayout
from dataflow.models.settings import read_settings
from dataflow.models.source import Source

INDEX = {
    "_class_name": "FluxPipeline",
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "transformer": ["diffusers", "FluxTransformer2DModel"],
}


def write_settings(folder: Path) -> Path:
    for name, file in (("transformer", "config.json"), ("scheduler", "scheduler_config.json")):
        (folder / name).mkdir(parents=True)
        (folder / name / file).write_text(json.dumps({"of": name}))
    (folder / "model_index.json").write_text(json.dumps(INDEX))
    return folder


def test_a_folder_is_read_without_its_weights(tmp_path: Path) -> None:
    checkpoint = read_settings(Source(str(write_settings(tmp_path)), DiffusersLayout()), {})
    assert (checkpoint.pipeline, checkpoint.config("transformer")) == ("FluxPipeline", {"of": "transformer"})


def test_settings_that_are_here_are_read_without_the_hub(tmp_path: Path) -> None:
    folder = write_settings(tmp_path / "owner" / "tiny")
    (folder / ".dataflow-revision").write_text("abc")
    source = Source("owner/tiny", DiffusersLayout(), local_dir=tmp_path)
    assert read_settings(source, {"revision": "abc"}).folder == folder


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no folder .*nowhere"):
        read_settings(Source(str(tmp_path / "nowhere"), DiffusersLayout()), {})

"""No code of a checkpoint is run, whatever version of diffusers would run it."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import read_checkpoint
from dataflow.serving.local.pictures.checks import check_code

PLAIN = {"vae": ["diffusers", "AutoencoderKL"], "text_encoder": ["transformers", "T5EncoderModel"]}


def write(folder: Path, **parts: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline", **PLAIN, **parts}))
    (folder / "vae").mkdir(exist_ok=True)
    return folder


def check(folder: Path, pipe_kwargs: Mapping[str, object] | None = None) -> None:
    check_code(read_checkpoint(folder), pipe_kwargs or {})


@pytest.mark.parametrize("library", ["evil", "os", "diffusers.pipelines", "../evil", "", 5])
def test_a_component_from_elsewhere_is_refused(library: object, tmp_path: Path) -> None:
    folder = write(tmp_path, transformer=[library, "Evil"])
    with pytest.raises(ConfigError, match=r"model_index.json takes its transformer from .*pipe_kwargs="):
        check(folder)
    check(folder, {"transformer": object()})
    check(folder, {"trust_remote_code": True})


def test_a_file_that_goes_by_a_librarys_name_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "vae" / "diffusers.py").touch()
    with pytest.raises(ConfigError, match=r"vae/diffusers.py is code"):
        check(folder)


def test_a_file_that_goes_by_no_pipelines_name_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "None.py").touch()
    with pytest.raises(ConfigError, match=r"None.py is code"):
        check(folder)


def test_a_pipeline_within_a_pipeline_is_looked_at_too(tmp_path: Path) -> None:
    folder = write(tmp_path, prior=["diffusers", "FluxPriorReduxPipeline"])
    write(folder / "prior", vae=["evil", "Evil"])
    with pytest.raises(ConfigError, match=r"prior/model_index.json takes its vae from 'evil'"):
        check(folder, {"vae": object()})


def test_what_diffusers_itself_has_is_taken(tmp_path: Path) -> None:
    parts = {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "image_encoder": [None, None]}
    folder = write(tmp_path, **parts, is_distilled=True, sizes=[])
    (folder / "convert.py").touch()
    check(folder)

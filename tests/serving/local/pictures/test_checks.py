"""Settings that do not fit a checkpoint, and code of checkpoints, are refused before weights are loaded."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import read_checkpoint
from dataflow.serving.local.pictures.checks import check_code
from tests.kit.pipelines import serving
from tests.kit.tiny import DRAWING, EDITING, NAMES

Checkpoints = Callable[[str], Path]


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


def test_a_lora_without_peft_names_the_extra(
    checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint("flux")
    monkeypatch.setitem(sys.modules, "peft", None)  # as if it were not installed
    with pytest.raises(ConfigError, match=r"dataflow-mm\[lora\]"):
        serving(folder, tmp_path, lora=(("a.safetensors", 1.0),)).prepare()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"family": "FLUX-Kontext"}, "names FluxPipeline, which is FLUX"),
        ({"device": ("cuda:7",)}, "torch sees"),
        ({"device": ("gpu",)}, "none of torch's"),
        ({"model": "./nowhere"}, "there is no folder"),
    ],
)
def test_settings_that_do_not_fit_the_model_are_refused_before_weights_are_loaded(
    settings: dict[str, Any], said: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder = Path(str(settings.pop("model", checkpoint("flux"))))

    def open_it() -> None:
        made = serving(folder, tmp_path, **settings)
        made.prepare()
        made.settle()

    with pytest.raises(ConfigError, match=said):
        open_it()


@pytest.mark.parametrize("family", sorted(set(DRAWING) ^ set(EDITING)))
def test_a_task_that_the_family_does_not_do_is_refused_with_the_one_it_does(
    family: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    task, other = ("imageedit", "text2image") if family in DRAWING else ("text2image", "imageedit")
    said = (
        rf"Image_gen_task='{task}', but .*model_index.json.* \({NAMES[family]}\), which does Image_gen_task='{other}'"
    )
    with pytest.raises(ConfigError, match=said):
        serving(checkpoint(family), tmp_path, task=task).prepare()


def test_a_lora_that_is_not_there_is_named_before_weights_are_loaded(checkpoint: Checkpoints, tmp_path: Path) -> None:
    for path in (str(tmp_path / "gone.safetensors"), "./gone", "gone", "/a/b"):
        with pytest.raises(ConfigError, match=r"lora='.*': there is no /"):
            serving(checkpoint("flux"), tmp_path, lora=((path, 1.0),)).prepare()
    serving(checkpoint("flux"), tmp_path, lora=(("owner/lora", 1.0),)).prepare()


def test_a_family_may_be_named_by_its_pipeline_too(checkpoint: Checkpoints, tmp_path: Path) -> None:
    serving(checkpoint("flux"), tmp_path, family="FluxPipeline").prepare()

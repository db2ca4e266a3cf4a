"""A pipeline's class, as a notebook uses it, chooses and refuses as its command line does."""

import os
import runpy
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import ConfigError
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.local_image_gen_serving import LocalImageGenServing
from tests.kit.flow import read_rows, write_rows
from tests.kit.here import SCRIPTS
from tests.kit.loopback import LoopbackServer

PICTURE = SCRIPTS.parent / "example_data/image_gen/image_edit/image8.png"
CLASSES = {
    "image_editing_pipeline.py": "ImageGenerationPipeline",
    "text_to_image_generation_pipeline.py": "TextToImageGenerationPipeline",
    "multi_images_to_image_generation_pipeline.py": "MultiImages2ImagePipeline",
    "image_edit_synthesis_pipeline.py": "ImageEditSynthesisPipeline",
    "accepted_image_editing_pipeline.py": "AcceptedImageEditingPipeline",
}
EDIT, DRAW, SEVERAL, SYNTHESIS, ACCEPTED = CLASSES


@pytest.fixture(autouse=True)
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder and no model in the environment."""
    for name in [name for name in os.environ if name.startswith("DF_")]:
        monkeypatch.delenv(name)
    for name in ("OMP_NUM_THREADS", "TRANSFORMERS_VERBOSITY"):  # a demo sets those that are missing
        monkeypatch.setenv(name, os.environ.get(name, "1" if name.startswith("OMP") else "error"))
    monkeypatch.chdir(tmp_path)


def made(script: str, **arguments: object) -> Any:
    return runpy.run_path(str(SCRIPTS / script))[CLASSES[script]](**arguments)


@pytest.mark.parametrize("script", [EDIT, DRAW, SEVERAL, ACCEPTED])
def test_rows_of_ones_own_never_go_to_the_demo_model_unasked(script: str) -> None:
    write_rows(Path("rows.jsonl"), [{"images": str(PICTURE), "conversations": "Tidy up."}])
    with pytest.raises(ConfigError, match=r"no model for the rows of rows\.jsonl .*serving_type='demo'"):
        made(script, first_entry_file_name="rows.jsonl")
    assert [path.name for path in Path().iterdir()] == ["rows.jsonl"]
    asked_for = made(script, first_entry_file_name="rows.jsonl", serving_type="demo")
    assert isinstance(asked_for.serving if script != DRAW else asked_for.t2i_serving, LocalImageGenServing)


@pytest.mark.parametrize("script", CLASSES)
@pytest.mark.parametrize("model", ["./ckpt/nope", "gemini-3.1-flash-image", "owner/name"])
def test_a_model_that_is_neither_a_folder_nor_at_an_address_is_named(script: str, model: str) -> None:
    with pytest.raises(ConfigError, match=f"^--model {model}: there is no folder /.*, and no address") as caught:
        made(script, model=model)
    assert "train" not in str(caught.value)


def test_a_number_that_is_a_text_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^MultiImages2ImagePipeline: ip_condition_num='2' is a text: give a whole"):
        made(SEVERAL, ip_condition_num="2")
    with pytest.raises(ConfigError, match=r"^DemoPromptGenerator: n='16' is a text: give a whole number$"):
        made(SYNTHESIS, n="16")


def test_photographs_for_the_demo_model_are_told_once_however_often_one_chooses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_rows(Path("rows.jsonl"), [{"images": str(PICTURE), "conversations": "Tidy up."}])
    for _ in range(2):
        made(EDIT, first_entry_file_name="rows.jsonl", serving_type="demo")
    said = "the demo model knows drawn shapes only: of the photographs in rows.jsonl it makes smears"
    assert [each.getMessage() for each in caplog.records if "smears" in each.getMessage()] == [said]


@pytest.mark.parametrize("script", [EDIT, DRAW, SEVERAL])
def test_without_a_model_and_without_rows_it_is_a_demo_of_the_demos_rows(script: str) -> None:
    assert "image_gen/demo/" in made(script).storage.first_entry_file_name
    assert "image_gen/demo/" not in made(script, serving_type="local").storage.first_entry_file_name


def test_a_server_of_ones_own_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(Path("rows.jsonl"), [{"images": str(PICTURE), "conversations": "Tidy up."}])
    with LoopbackServer() as server:
        monkeypatch.setenv("DF_BASE_URL", server.url)
        pipeline = made(EDIT, first_entry_file_name="rows.jsonl")
        (summary,) = pipeline.forward()
        assert server.prompts == {"Tidy up.": 1}
        assert isinstance(made(SYNTHESIS).serving, APIVLMServing_openai)
    assert summary.failed == 0
    assert len(read_rows(pipeline.storage.current.target)) == 1


def test_every_example_pipeline_is_looked_at_here() -> None:
    assert {path.name for path in SCRIPTS.glob("*.py")} == set(CLASSES)


def test_a_judge_on_this_machine_is_named_and_never_chosen() -> None:
    with pytest.raises(ConfigError, match="no judge: give --judge_model"):
        made(ACCEPTED, serving_type="local")

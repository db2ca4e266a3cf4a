"""The command lines that an export prints: what each trainer's own parser refuses to do without."""

import ast
import shlex
from pathlib import Path

import pytest

from dataflow.export import Exported, export
from tests.kit.exports import STEP, cache_of, row


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """An export into a folder whose name a shell would take apart."""
    folder = tmp_path_factory.mktemp("commands")
    pair = row(folder, 9, verdict={"verdicts": [{"axes": {"following": 9.0}}, {"axes": {"following": 2.0}}]})
    pair["edited_images"] = [*pair["edited_images"], *row(folder, 10)["edited_images"]]
    cache = cache_of(folder / "cache", [row(folder, 1)], pairs=[pair])
    assert (cache / f"{STEP}.pairs.jsonl").exists()
    return export(cache, "simpletuner,simpletuner-dpo,diffusers,omnigen2,hf", folder / "a folder")


@pytest.fixture(scope="module")
def commands(made: Exported) -> dict[str, list[str]]:
    """Name → the words of its command, without what stands behind it as a remark."""
    return {name: shlex.split(line, comments=True) for name, line in made.commands.items()}


@pytest.mark.parametrize("name", ["simpletuner", "simpletuner-dpo"])
def test_simpletuner_takes_settings_as_words_and_all_conditioning_sets_at_once(
    commands: dict[str, list[str]], name: str
) -> None:
    program, verb, *settings = commands[name]
    assert (program, verb) == ("simpletuner", "train")
    said = dict(each.split("=", 1) for each in settings)
    assert not any(key.startswith("-") for key in said)
    assert said["conditioning_multidataset_sampling"] == "combined"
    assert Path(said["data_backend_config"]).is_file()


def test_diffusers_names_a_model_and_keeps_every_row_and_shape(commands: dict[str, list[str]]) -> None:
    words = commands["diffusers"]
    assert "--pretrained_model_name_or_path" in words
    assert "--use_aspect_ratio_buckets" in words
    assert words[words.index("--train_batch_size") + 1] == "1"


def test_omnigen2_is_given_its_data_and_a_config(commands: dict[str, list[str]]) -> None:
    words = commands["omnigen2"]
    assert Path(words[words.index("--data_path") + 1]).is_file()
    assert "--config" in words


def test_a_line_of_python_opens_a_folder_with_a_space(commands: dict[str, list[str]]) -> None:
    program, flag, code = commands["hf"]
    assert (program, flag) == ("python", "-c")
    path = next(node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant))
    assert Path(str(path), "README.md").is_file()


def test_the_card_has_no_path_of_the_machine_in_them(made: Exported) -> None:
    card = (made.target / "README.md").read_text(encoding="utf-8")
    assert "load_dataset" in card
    assert str(made.target.parent) not in card

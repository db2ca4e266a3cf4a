"""Files of a checkpoint are there, whole, and under a licence that is known, without a look at the weights."""

import json
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from dataflow.errors import ConfigError
from dataflow.models.files import check_weights, need_one, read_json, read_licence


def test_the_licence_is_that_of_the_model_card(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    assert read_licence(tmp_path) == ""
    card.write_text("---\nlicense: other\nlicense_name: flux-1-dev-non-commercial-license\n---\n")
    assert read_licence(tmp_path) == "flux-1-dev-non-commercial-license"
    card.write_text("\ufeff---\nlicense: 'apache-2.0'\n---\nlicense: of something else\n")
    assert read_licence(tmp_path) == "apache-2.0"
    card.write_text("# A model\nlicense: is not said in a header\n")
    assert read_licence(tmp_path) == ""


def test_one_of_several_files_is_enough_and_the_first_is_named_where_there_is_none(tmp_path: Path) -> None:
    names = ("tokenizer.json", "vocab.txt")
    with pytest.raises(ConfigError, match=r"tokenizer\.json is missing: its vocabulary\. Download"):
        need_one(tmp_path, names, "its vocabulary")
    (tmp_path / "vocab.txt").touch()
    need_one(tmp_path, names, "its vocabulary")


@pytest.mark.parametrize(("content", "found"), [("{", "unexpected end"), ("[1]", "no JSON object")])
def test_a_damaged_json_file_is_named_with_the_fix(content: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ConfigError, match=rf"config\.json is damaged \({found}.*download this file again"):
        read_json(tmp_path / "config.json")


def test_weights_are_whole_if_every_part_that_the_index_names_is_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\*\.safetensors is missing: its weights"):
        check_weights(tmp_path)
    parts = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    save_file({"a": numpy.zeros(2)}, tmp_path / parts[0])
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": parts[0], "b": parts[1]}}))
    with pytest.raises(ConfigError, match=r"00002-of-00002\.safetensors is missing: a part of the weights"):
        check_weights(tmp_path)
    save_file({"b": numpy.zeros(2)}, tmp_path / parts[1])
    check_weights(tmp_path)
    (tmp_path / parts[1]).write_bytes((tmp_path / parts[1]).read_bytes()[:-1])
    with pytest.raises(ConfigError, match=r"is damaged or cut short .*download this file again"):
        check_weights(tmp_path)


def test_an_index_without_its_map_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"index\.json is damaged \(no `weight_map`\)"):
        check_weights(tmp_path)

"""A LoRA beside a tiny model's weights: it counts, it is its content, and one for another model is refused."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.core.records import Request
from dataflow.errors import ConfigError
from dataflow.serving.local_llm_serving import LocalLLMServing
from dataflow.serving.local_vlm_serving import LocalVLMServing
from tests.kit.flow import draw
from tests.kit.tiny import running
from tests.kit.tiny_text import changed, lora_of

Checkpoints = Callable[[str], Path]


def looker(folder: Path, **settings: object) -> LocalVLMServing:
    options = {"device": "cpu", "max_new_tokens": 8, "temperature": 0.0, **settings}
    return LocalVLMServing(folder, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["qwen_vl", "llava"])
def test_answers_are_those_of_model_and_lora_together(
    family: str, text_checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder = text_checkpoint(family)
    request = Request("what is it?", (str(draw(tmp_path / "red.png", "red", (56, 56))),), "text", seed=1)
    said = []
    for lora in (None, lora_of(folder, tmp_path / "one"), lora_of(folder, tmp_path / "two", seed=3)):
        with running(looker(folder, lora=lora)) as ask:
            (answer,) = ask(request)
        assert answer.error is None
        said.append(answer.text)
    assert len(set(said)) == 3


def test_a_lora_is_its_content_wherever_it_lies(text_checkpoint: Checkpoints, tmp_path: Path) -> None:
    folder = text_checkpoint("qwen_vl")
    lora = lora_of(folder, tmp_path / "one")
    plain, known = looker(folder).fingerprint(), looker(folder, lora=lora).fingerprint()
    assert known["lora"] == looker(folder, lora=shutil.copytree(lora, tmp_path / "copy")).fingerprint()["lora"]
    weaker = changed(lora, tmp_path / "weaker", "adapter_config.json", lora_alpha=1)
    assert known["lora"] != looker(folder, lora=weaker).fingerprint()["lora"]
    assert known == {**plain, "lora": known["lora"]}
    assert "lora" not in plain


def test_a_language_model_takes_one_too(text_checkpoint: Checkpoints, tmp_path: Path) -> None:
    folder = text_checkpoint("llama")
    for lora in (None, lora_of(folder, tmp_path / "one")):
        writer = LocalLLMServing(folder, device="cpu", max_new_tokens=12, temperature=0.0, lora=lora)
        with running(writer) as ask:
            (answer,) = ask(Request("make the car red", makes="text"))
        assert answer.error is None


def test_a_lora_for_another_model_is_refused_with_the_name_of_its_own(
    text_checkpoint: Checkpoints, tmp_path: Path
) -> None:
    lora = lora_of(text_checkpoint("llama"), tmp_path / "llama")
    made = looker(text_checkpoint("qwen_vl"), lora=lora)
    with pytest.raises(ConfigError, match=f"it was made for {text_checkpoint('llama')}"), running(made):
        pass


def test_a_lora_with_a_weight_too_many_is_refused(text_checkpoint: Checkpoints, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = text_checkpoint("llama")
    lora = lora_of(folder, tmp_path / "one")
    file = lora / "adapter_model.safetensors"
    weights = load_file(file)
    more = {name.replace("layers.1", "layers.7"): each for name, each in load_file(file).items()}
    save_file(weights | more, file)
    made = LocalLLMServing(folder, device="cpu", lora=lora)
    with pytest.raises(ConfigError, match=r"Weights that only one of the two has: .*layers\.7"), running(made):
        pass


def test_what_is_no_lora_is_refused_before_weights_are_loaded(text_checkpoint: Checkpoints, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no .*/nowhere/adapter_config\.json. Give a folder"):
        looker(text_checkpoint("llava"), lora=tmp_path / "nowhere").prepare()


def test_without_peft_its_extra_is_named(
    text_checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lora = lora_of(text_checkpoint("llava"), tmp_path / "one")
    monkeypatch.setitem(sys.modules, "peft", None)  # as if it were not installed
    with pytest.raises(ConfigError, match=r"dataflow-mm\[lora\]"):
        looker(text_checkpoint("llava"), lora=lora).prepare()

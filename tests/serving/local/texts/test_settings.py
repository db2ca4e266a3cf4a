"""The settings of a local language model: which are part of an id, and which are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.serving.local_llm_serving import LocalLLMServing
from tests.kit.llm import serving

Checkpoints = Callable[[str], Path]


@pytest.mark.parametrize(
    "setting",
    [
        {"max_new_tokens": 13},
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"seed": 4},
        {"dtype": "bfloat16"},
        {"chat_template": "{{ messages[0].content }}"},
        {"template_arguments": {"enable_thinking": False}},
        {"model_kwargs": {"attn_implementation": "eager"}},
    ],
)
def test_what_changes_the_answer_changes_the_fingerprint(
    setting: dict[str, object], text_checkpoint: Checkpoints
) -> None:
    folder = text_checkpoint("llama")
    assert serving(folder, **setting).fingerprint() != serving(folder).fingerprint()


@pytest.mark.parametrize("setting", [{"batch_size": 2}, {"device": "cuda"}, {"hf_cache_dir": "c"}])
def test_how_it_is_run_does_not(setting: dict[str, object], text_checkpoint: Checkpoints) -> None:
    folder = text_checkpoint("llama")
    assert serving(folder, **setting).fingerprint() == serving(folder).fingerprint()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hf_model_name_or_path": ""}, "hf_model_name_or_path"),
        ({"batch_size": 0}, "batch_size"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"model_kwargs": {"trust_remote_code": True}}, "is not run"),
        ({"hf_model_name_or_path": "a/b.gguf"}, "llama.cpp"),
        ({"model_kwargs": {"gguf_file": "b.gguf"}}, "not read"),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused_at_once(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        LocalLLMServing(**{"hf_model_name_or_path": "owner/model", **settings})  # type: ignore[arg-type]

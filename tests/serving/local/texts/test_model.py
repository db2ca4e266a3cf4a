"""A loaded language model: its sampling, what it cannot read, memory, and what it raises."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dataflow.core.records import Request
from dataflow.errors import ConfigError
from dataflow.serving.local_llm_serving import LocalLLMServing
from dataflow.serving.local_vlm_serving import LocalVLMServing
from tests.kit.flow import draw
from tests.kit.llm import ASKED, serving, texts
from tests.kit.tiny import running
from tests.kit.tiny_text import changed

Checkpoints = Callable[[str], Path]


def asking(prompt: str) -> Request:
    return Request(prompt, makes="text")


def test_the_checkpoints_own_sampling_holds_unless_the_user_chooses(
    text_checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder = changed(
        text_checkpoint("llama"), tmp_path / "m", "generation_config.json", do_sample=True, temperature=1.5, top_k=40
    )
    asked = [Request("a cat", makes="text", seed=seed) for seed in range(4)]
    with running(serving(folder)) as ask:
        assert len(set(texts(ask(*asked)))) == 4
    with running(serving(folder, temperature=0)) as ask:
        assert len(set(texts(ask(*asked)))) == 1
    with running(serving(text_checkpoint("llama"))) as ask:
        assert len(set(texts(ask(*asked)))) == 1


def test_a_prompt_too_long_for_the_model_fails_alone(text_checkpoint: Checkpoints) -> None:
    with running(serving(text_checkpoint("llama"))) as ask:
        fine, too_long, also_fine = ask(ASKED[0], Request("dog " * 120, makes="text"), ASKED[5])
        alone = texts(ask(ASKED[0]))[0]
    assert too_long.error.kind == "refused"
    assert "max_new_tokens=12" in too_long.error.reason
    assert "128" in too_long.error.reason
    assert texts([fine, also_fine])[0] == alone


def test_a_batch_that_does_not_fit_is_halved_once_and_for_all(
    text_checkpoint: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    sizes: list[int] = []

    def cramp(room: int) -> Callable[..., None]:
        def forward(module: torch.nn.Module, given: object, named: dict[str, torch.Tensor]) -> None:
            rows = len(named["input_ids"])
            sizes.append(rows)
            if rows > room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nmore lines")

        return forward

    asked = ASKED[:5]
    made = serving(text_checkpoint("llama"), max_new_tokens=1)
    with running(made) as ask, caplog.at_level(logging.WARNING):
        whole = texts(ask(*asked))
        assert made._model is not None
        hook = made._model._model.register_forward_pre_hook(cramp(2), with_kwargs=True)
        halved = texts(ask(*asked))
        hook.remove()
        made._model._model.register_forward_pre_hook(cramp(0), with_kwargs=True)
        (failed,) = ask(asked[0])
    assert sizes == [5, 2, 2, 1, 1]
    assert whole == halved
    assert "out of memory for 5 answers: from now on 2 at a time" in [each.message for each in caplog.records]
    assert failed.error.kind == "retry"
    assert "max_new_tokens" in failed.error.reason


def test_a_model_that_computes_no_numbers_is_refused(text_checkpoint: Checkpoints) -> None:
    made = serving(text_checkpoint("llama"), temperature=1.0)
    with running(made) as ask:
        assert made._model is not None
        with torch.no_grad():
            made._model._model.lm_head.weight[5].fill_(torch.nan)
        (answer,) = ask(ASKED[0])
    assert answer.error.kind == "refused"
    assert "dtype" in answer.error.reason


def test_a_model_of_another_kind_is_a_damaged_checkpoint(text_checkpoint: Checkpoints, tmp_path: Path) -> None:
    folder = changed(text_checkpoint("llama"), tmp_path / "m", "config.json", hidden_size=48)
    with pytest.raises(ConfigError, match="cannot be loaded as a language model"), running(serving(folder)):
        pass


def test_a_prompt_beyond_the_positions_of_a_model_fails_with_its_words(text_checkpoint: Checkpoints) -> None:
    prompts = [asking("a cat"), asking("dog " * 120), asking("two dogs"), asking("cat " * 100)]
    with running(serving(text_checkpoint("mpt"), max_new_tokens=4)) as ask:
        together = ask(*prompts)
        alone = [ask(prompt)[0] for prompt in prompts]
    assert [bool(answer.text) for answer in together] == [True, False, True, False]
    assert [answer.error for answer in alone] == [answer.error for answer in together]
    assert together[1].error.reason.startswith("the model cannot take this row: RuntimeError: The size of tensor a (12")
    assert (together[1].error.kind, together[1].error.retries) == ("retry", 0)


def test_what_a_model_raises_over_every_conversation_stops_at_the_first(text_checkpoint: Checkpoints) -> None:
    calls: list[int] = []

    def no_kernel(module: torch.nn.Module, given: object, named: dict[str, torch.Tensor]) -> None:
        calls.append(len(named["input_ids"]))
        raise TypeError("no such kernel")

    made = serving(text_checkpoint("mpt"), max_new_tokens=4)
    with running(made) as ask:
        made._model._model.register_forward_pre_hook(no_kernel, with_kwargs=True)
        with pytest.raises(TypeError, match="no such kernel"):
            ask(*(asking(prompt) for prompt in ("a cat", "two dogs", "a bird")))
    assert calls == [3, 1, 1]  # all, one of them, a plain one


def test_a_model_that_answered_lately_is_not_tried_with_a_plain_question(text_checkpoint: Checkpoints) -> None:
    made = serving(text_checkpoint("mpt"), max_new_tokens=4)
    with running(made) as ask:
        ask(asking("a cat"))
        hook = made._model._model.register_forward_pre_hook(lambda *_: calls.append(1))
        calls: list[int] = []
        assert ask(asking("dog " * 120))[0].error is not None
        hook.remove()
    assert calls == [1]


@pytest.mark.parametrize("name", ["llama", "llava"])
def test_a_prompt_of_7883_tokens_fails_by_itself_before_the_model_reads_it(
    name: str, text_checkpoint: Checkpoints, tmp_path: Path
) -> None:
    kind = LocalVLMServing if name == "llava" else LocalLLMServing
    pictures = (str(draw(tmp_path / "a.png")),) if name == "llava" else ()
    requests = [Request(prompt, pictures, makes="text") for prompt in ("a cat", "a " * 7883, "two dogs")]
    with running(kind(text_checkpoint(name), device="cpu", max_new_tokens=4)) as ask:
        first, long, last = ask(*requests)
    assert (bool(first.text), bool(last.text)) == (True, True)
    assert long.error.kind == "refused"
    assert "tokens and max_new_tokens=4 do not fit into the model's" in long.error.reason

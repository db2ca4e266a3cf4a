"""A conversation that a language model raises over fails by itself; what it raises over for every one stops the run."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dataflow.core.records import Request
from dataflow.serving.local_llm_serving import LocalLLMServing
from dataflow.serving.local_vlm_serving import LocalVLMServing
from tests.kit.flow import draw
from tests.kit.tiny import running

Checkpoints = Callable[[str], Path]


def asking(prompt: str) -> Request:
    return Request(prompt, makes="text")


def serving(folder: Path) -> LocalLLMServing:
    return LocalLLMServing(folder, device="cpu", max_new_tokens=4)


def test_a_prompt_beyond_the_positions_of_a_model_fails_with_its_words(text_checkpoint: Checkpoints) -> None:
    prompts = [asking("a cat"), asking("dog " * 120), asking("two dogs"), asking("cat " * 100)]
    with running(serving(text_checkpoint("mpt"))) as ask:
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

    made = serving(text_checkpoint("mpt"))
    with running(made) as ask:
        made._model._model.register_forward_pre_hook(no_kernel, with_kwargs=True)
        with pytest.raises(TypeError, match="no such kernel"):
            ask(*(asking(prompt) for prompt in ("a cat", "two dogs", "a bird")))
    assert calls == [3, 1, 1]  # all, one of them, a plain one


def test_a_model_that_answered_lately_is_not_tried_with_a_plain_question(text_checkpoint: Checkpoints) -> None:
    made = serving(text_checkpoint("mpt"))
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

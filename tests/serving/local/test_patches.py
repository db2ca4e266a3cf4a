"""What is changed in a library's objects works, and is taken back whole."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from diffusers import FluxPipeline
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry
from transformers import Qwen2VLProcessor

from dataflow.serving.local.patches import (
    answer_prompts,
    attend_with,
    before_forward,
    compile_blocks,
    image_only,
    isolate_class,
    quiet_cache_dit,
    quiet_torchao,
    raised_recompile_limit,
)
from tests.kit.pipelines import drawn, loaded

Checkpoints = Callable[[str], Path]
CPU = torch.device("cpu")


def test_a_pipelines_prompts_are_answered_and_then_its_own_again(checkpoint: Checkpoints) -> None:
    pipeline = loaded(checkpoint("flux"))
    before, own = drawn(pipeline), pipeline.encode_prompt
    undo = answer_prompts(pipeline, lambda *args, **kwargs: own(**{**kwargs, "prompt": ["two dogs"]}))
    assert not numpy.array_equal(drawn(pipeline), before)
    undo()
    assert pipeline.encode_prompt == own
    assert numpy.array_equal(drawn(pipeline), before)


def test_a_class_of_its_own_keeps_a_change_from_other_pipelines(checkpoint: Checkpoints) -> None:
    pipeline = loaded(checkpoint("flux"))
    undo = isolate_class(pipeline)
    type(pipeline).is_changed = True
    assert isinstance(pipeline, FluxPipeline)
    assert type(pipeline).__name__ == "FluxPipeline"
    assert not hasattr(FluxPipeline, "is_changed")
    undo()
    assert type(pipeline) is FluxPipeline


@pytest.mark.parametrize("chosen", [None, "info"])
def test_cache_dit_is_quiet_unless_the_user_chose_and_the_environment_stays(
    chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CACHE_DIT_LOG_LEVEL", raising=False)
    if chosen:
        monkeypatch.setenv("CACHE_DIT_LOG_LEVEL", chosen)
    with quiet_cache_dit():
        assert os.environ["CACHE_DIT_LOG_LEVEL"] == (chosen or "error")
    assert os.environ.get("CACHE_DIT_LOG_LEVEL") == chosen


def test_torchao_is_quiet_where_nothing_of_it_is_used_and_no_longer(caplog: pytest.LogCaptureFixture) -> None:
    with quiet_torchao():
        logging.getLogger("torchao.kernel.intmm").warning("no triton")
        logging.getLogger("torchao").error("broken")
    logging.getLogger("torchao").warning("asked for")
    assert [record.getMessage() for record in caplog.records] == ["broken", "asked for"]


def test_a_kernel_is_chosen_for_one_model_and_not_for_the_process(checkpoint: Checkpoints) -> None:
    model = loaded(checkpoint("flux")).transformer
    processor = model.transformer_blocks[0].attn.processor
    active = _AttentionBackendRegistry.get_active_backend()
    undo = attend_with(model, "_native_math")
    assert processor._attention_backend == AttentionBackendName("_native_math")
    assert _AttentionBackendRegistry.get_active_backend() == active
    undo()
    assert processor._attention_backend == AttentionBackendName.NATIVE
    assert _AttentionBackendRegistry.get_active_backend() == active


def test_compiled_blocks_run_plain_again(checkpoint: Checkpoints) -> None:
    model = loaded(checkpoint("flux")).transformer
    undo = compile_blocks(model, dynamic=False)
    assert model.transformer_blocks[0]._compiled_call_impl is not None
    undo()
    assert all(module._compiled_call_impl is None for module in model.modules())


def test_the_recompile_limit_is_raised_only_as_long_as_it_is_needed() -> None:
    before = torch._dynamo.config.recompile_limit
    with raised_recompile_limit():
        assert torch._dynamo.config.recompile_limit == 256 > before
    assert torch._dynamo.config.recompile_limit == before


def test_work_is_done_before_a_part_runs_until_it_is_not(checkpoint: Checkpoints) -> None:
    part, done = torch.nn.Linear(2, 2), []
    forward = part.forward
    undo = before_forward(part, CPU, lambda: done.append("work"))
    assert part._hf_hook.execution_device == CPU
    part(torch.ones(1, 2))
    part(input=torch.ones(1, 2))
    assert done == ["work"] * 2
    undo()
    assert part.forward == forward
    part(torch.ones(1, 2))
    assert done == ["work"] * 2


def test_a_processor_without_its_video_part_is_another_class() -> None:
    assert "video_processor" not in image_only(Qwen2VLProcessor).get_attributes()
    assert "video_processor" in Qwen2VLProcessor.get_attributes()

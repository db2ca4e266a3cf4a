"""A server that fails half the time, and the check that nothing got lost, doubled or damaged on the way."""

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from dataflow.flow.summary import Summary
from dataflow.operators.core_vision import PromptedImageGenerator
from dataflow.serving.api.serving import ApiServing
from dataflow.utils.storage import FileStorage
from tests.kit.drawing import mark_of, read_mark
from tests.kit.flow import read_rows, write_rows
from tests.kit.loopback import Act, Asked

ACTS = {
    "429": Act(429, {"error": {"code": "rate_limit_exceeded", "message": "slow down"}}),
    "500": Act(500, {"error": {"message": "Internal error"}}),
    "reset": Act(cut=0),
    "malformed": Act(body=b"upstream connect error or disconnect/reset before headers"),
    "truncated": Act(cut=400, clean=True),
}
REASONS = ("asks for fewer requests", "in trouble", "after the request was sent", "not JSON", "stops before its end")


class Faults:
    """Decides what happens to a request; counts what it did.

    Args:
        share: of the requests that each kind of fault hits.
    """

    def __init__(self, share: float = 0.1) -> None:
        self.injected: Counter[str] = Counter()
        self._share = share
        self._random = random.Random(0)

    def __call__(self, asked: Asked) -> Act | None:
        drawn = int(self._random.random() / self._share)
        if drawn >= len(ACTS):
            return None
        kind = list(ACTS)[drawn]
        self.injected[kind] += 1
        return ACTS[kind]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run over faults: rows with a picture, and the reasons of the others."""

    summary: Summary
    pictures: int
    given_up: Counter[str]


def draw_rows(folder: Path, serving: ApiServing, rows: int) -> Outcome:
    """Draw so many rows and check each: the right picture, or a line that says why not."""
    source = write_rows(folder / "rows.jsonl", [{"prompt": f"row {n}"} for n in range(rows)])
    step = FileStorage(str(source), cache_path=str(folder / "cache")).step()
    summary = PromptedImageGenerator(serving).run(step, input_conversation_key="prompt", output_image_key="made")
    written = read_rows(step.target)
    assert [row["prompt"] for row in written] == [f"row {n}" for n in range(rows)]
    failed = {line["row"]: line for line in read_rows(step.errors)} if step.errors.exists() else {}
    for number, row in enumerate(written):
        assert bool(row["made"]) != (number in failed), row
        for path in row["made"]:
            assert read_mark(path) == mark_of(row["prompt"])
    for line in failed.values():
        assert line["attempts"] >= 1
        assert any(reason in line["reason"] for reason in REASONS), line
    return Outcome(summary, sum(len(row["made"]) for row in written), Counter(x["reason"] for x in failed.values()))

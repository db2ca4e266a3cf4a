"""A filter keeps a row only when it was judged: a row whose judge failed does not stand in its output."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from dataflow.core.records import Answer, Request, Row, Side
from dataflow.core.source import Ended, Settled, Source
from dataflow.core.worker import Worker
from dataflow.errors import Failure, InputError, RowError, StepFailed
from dataflow.flow.recipe import Steps
from dataflow.flow.runner import run_step
from dataflow.flow.summary import Summary
from dataflow.operators.base import Columns, OneWaveOperator
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, column, prompts_storage, read_rows, recipe, write_rows
from tests.kit.workers import Echo, Scripted


class Given(Source):
    """Rows of these prompts, each settled as it came out."""

    def __init__(self, prompts: Sequence[str]) -> None:
        self._prompts = prompts

    def __len__(self) -> int:
        return len(self._prompts)

    def row(self, index: int) -> Row:
        return {"prompt": self._prompts[index]}

    def settle(self, index: int, ended: Ended) -> Settled:
        return Settled(ended.rows, ended.sides, ended.error)


class Keep(OneWaveOperator):
    """Keeps the rows whose judge does not speak of something bad."""

    def __init__(self, judge: Worker) -> None:
        super().__init__({"judge": judge})

    def run(
        self, storage: FileStorage, *, inputs: Sequence[str] = ("prompt",), retry_rejected: bool = False
    ) -> Summary:
        return self.execute(storage.step(), inputs=inputs, retry_rejected=retry_rejected)

    def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
        return [Request(row["prompt"], tuple(row.get("images", ())), makes="text", worker="judge")]

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row]:
        if "garbled" in answers[0].text:
            raise RowError("the verdict cannot be read")
        return [] if "bad" in answers[0].text else [row]


def busy(*prompts: str) -> dict[str, list[Failure]]:
    return {prompt: [Failure("retry", "the judge is busy", retries=0)] for prompt in prompts}


PROMPTS = ["p0", "p1", "p2 bad", "p3", "p4", "p5 bad", "p6", "p7", "p8", "p9"]
FAILED = ["p1", "p5 bad", "p9"]


@pytest.mark.parametrize("cache_type", ["jsonl", "csv"])
def test_a_row_whose_judge_failed_is_not_kept_and_alone_is_asked_by_the_next_run(
    tmp_path: Path, cache_type: str
) -> None:
    storage = prompts_storage(tmp_path, PROMPTS, cache_type=cache_type)
    summary = Keep(Scripted(busy(*FAILED))).run(storage)
    assert [row["prompt"] for row in storage.step().rows()] == ["p0", "p3", "p4", "p6", "p7", "p8"]
    assert (summary.rows, summary.failed, summary.reasons) == (6, 3, {"the judge is busy": 3})
    errors = storage.reset().step().errors
    assert [(line["row"], line["fields"], line["reason"]) for line in read_rows(errors)] == [
        (PROMPTS.index(prompt), {"prompt": prompt}, "the judge is busy") for prompt in FAILED
    ]

    healed = Echo()
    summary = Keep(healed).run(storage.reset())
    assert sorted(healed.asked) == FAILED
    assert (summary.rows, summary.failed, summary.reused) == (8, 0, 7)
    assert [row["prompt"] for row in storage.step().rows()] == ["p0", "p1", "p3", "p4", "p6", "p7", "p8", "p9"]
    assert not errors.exists()


def test_a_generator_that_looks_at_no_error_keeps_nothing_without_a_verdict(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b", "c bad"])

    def careless(row: Row) -> Steps:
        (verdict,) = yield [Request(row["prompt"], makes="text", worker="model")]
        yield []
        return [] if "bad" in verdict.text else [row]

    judge = Scripted(busy("a", "c bad"))
    summary = run_step(recipe(judge, steps=careless, output=None), storage.step())
    assert (summary.failed, column(storage, "prompt")) == (2, ["b"])
    assert [line["row"] for line in read_rows(storage.current.errors)] == [0, 2]
    healed = Echo()
    summary = run_step(recipe(healed, steps=careless, output=None), storage.reset().step())
    assert (summary.failed, column(storage, "prompt"), sorted(healed.asked)) == (0, ["a", "b"], ["a", "c bad"])


def test_a_filter_may_ask_another_judge_when_one_fails(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])

    def either(row: Row) -> Steps:
        (verdict,) = yield [Request(row["prompt"], makes="text", worker="model")]
        if verdict.error is not None:
            (verdict,) = yield [Request(f"{row['prompt']}, second opinion", makes="text", worker="model")]
        return [row]

    judge = Scripted(busy("a", "b", "b, second opinion"))
    summary = run_step(recipe(judge, steps=either, output=None), storage.step())
    assert (summary.failed, column(storage, "prompt")) == (1, ["a"])


def test_a_filter_whose_every_row_failed_leaves_no_step_file(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    with pytest.raises(StepFailed, match=r"every row of step 1 failed, see .*_step1\.errors\.jsonl"):
        Keep(Scripted(busy("a", "b"))).run(storage)
    step = storage.current
    assert not step.target.exists()
    assert not step.meta.exists()
    assert [line["row"] for line in read_rows(step.errors)] == [0, 1]
    following = prompts_storage(tmp_path, ["a", "b"])
    following.step()
    with pytest.raises(InputError, match=r"step1\.jsonl, which does not exist: run step 1 first"):
        Ask(Echo()).run(following.step())

    healed = Echo()
    Keep(healed).run(storage.reset())
    assert sorted(healed.asked) == ["a", "b"]
    assert column(storage, "prompt") == ["a", "b"]
    assert sorted(path.name for path in step.target.parent.glob("*step1*")) == [step.target.name, step.meta.name]


def test_no_step_file_of_an_earlier_run_passes_for_accepted_when_every_row_fails(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    Keep(Echo()).run(storage)
    accepted = storage.current.target.read_bytes()
    other = Scripted(busy("a", "b"))
    other.model = "another judge"
    with pytest.raises(StepFailed):
        Keep(other).run(storage.reset())
    step = storage.current
    assert [path.name for path in step.target.parent.glob("*step1*")] == [step.errors.name]

    first = Echo()
    Keep(first).run(storage.reset())
    assert (first.asked, step.target.read_bytes()) == ([], accepted)


def test_a_filter_that_accepts_none_of_those_it_judged_has_its_file(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["bad", "b"])
    assert Keep(Scripted(busy("b"))).run(storage).failed == 1
    assert storage.current.target.read_bytes() == b""


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "garbled"}, "the verdict cannot be read"),
        ({"prompt": "look", "images": ["gone.png"]}, "no picture 'gone.png'"),
        ({"prompt": ""}, "no `prompt` in this row"),
        ({"other": "x"}, "no `prompt` in this row"),
    ],
)
def test_a_row_that_cannot_be_judged_is_not_kept(tmp_path: Path, row: Row, reason: str) -> None:
    first = write_rows(tmp_path / "in.jsonl", [row, {"prompt": "good"}])
    storage = FileStorage(str(first), cache_path=str(tmp_path / "cache"))
    assert Keep(Echo()).run(storage).failed == 1
    assert column(storage, "prompt") == ["good"]
    (failure,) = read_rows(storage.current.errors)
    assert (failure["row"], failure["class"]) == (0, "row")
    assert reason in failure["reason"]


def test_a_row_that_failed_in_an_earlier_step_is_not_kept_until_it_heals(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])

    def both(edits: Worker, judge: Worker) -> Summary:
        Ask(edits).run(storage.reset().step())
        return Keep(judge).run(storage, inputs=("prompt", "answer"))

    assert both(Scripted(busy("a")), Echo(model="judge")).reasons == {"no `answer`: failed earlier": 1}
    assert column(storage, "prompt") == ["b"]
    judge = Echo(model="judge")
    assert both(Echo(), judge).failed == 0
    assert (column(storage, "prompt"), judge.asked) == (["a", "b"], ["a"])


def test_a_refused_row_is_not_kept_and_asked_again_only_on_demand(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    Keep(Scripted({"a": [Failure("refused", "content policy")]})).run(storage)
    again = Echo()
    assert Keep(again).run(storage.reset()).reasons == {"content policy": 1}
    assert (again.asked, column(storage, "prompt")) == ([], ["b"])
    Keep(again).run(storage.reset(), retry_rejected=True)
    assert (again.asked, column(storage, "prompt")) == (["a"], ["a", "b"])


def test_a_filter_that_makes_its_own_rows_fails_as_closed(tmp_path: Path) -> None:
    def careless(row: Row) -> Steps:
        yield [Request(row["prompt"], makes="text", worker="model")]
        return [row]

    storage = FileStorage(cache_path=tmp_path / "cache")
    judge = Scripted(busy("b"))
    summary = run_step(recipe(judge, steps=careless, output=None, source=Given(["a", "b"])), storage.step())
    assert (summary.failed, column(storage, "prompt")) == (1, ["a"])


def test_rows_that_were_dropped_are_no_failed_rows(tmp_path: Path) -> None:
    def drop(row: Row) -> Steps:
        (answer,) = yield [Request(row["prompt"], makes="text", worker="model")]
        answer.raise_for_error()
        return [Side("dropped", row)]

    storage = FileStorage(cache_path=tmp_path / "cache")
    made = recipe(Scripted(busy("b")), steps=drop, output=None, sides=("dropped",), source=Given(["a", "b"]))
    assert run_step(made, storage.step()).failed == 1

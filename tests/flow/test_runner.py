"""One step from its source to its file: what is asked, what is reused, what comes out and in which order."""

from pathlib import Path
from typing import Any

import pytest

from dataflow.core.records import Answer
from dataflow.errors import Failure
from dataflow.flow.runner import run_step
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, column, judge_until_good, prompts_storage, read_rows, recipe, write_rows
from tests.kit.workers import Echo, Scripted, Uneven


def test_rows_come_out_in_input_order_whatever_the_latencies(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, [f"p{n}" for n in range(700)])
    summary = Ask(Uneven(width=16)).run(storage.step())
    assert [str(text).split("/")[0] for text in column(storage, "answer")] == [f"p{n}" for n in range(700)]
    assert (summary.rows, summary.failed, summary.requests, summary.reused) == (700, 0, 700, 0)
    assert str(summary).startswith("step 1: 700 rows, 0 failed, 700 requests sent, 0 answered before")
    assert not storage.current.errors.exists()
    assert not Path(f"{storage.current.target}.part").exists()


def test_a_second_run_asks_nothing_and_opens_no_pool(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    Ask(Echo()).run(storage.step())
    first = storage.current.target.read_bytes()
    again = Echo()
    summary = Ask(again).run(storage.reset().step())
    assert storage.current.target.read_bytes() == first
    assert (summary.requests, summary.reused, again.prepared, again.set_up) == (0, 2, 0, 0)


def test_a_changed_prompt_costs_one_request_and_a_changed_model_all(tmp_path: Path) -> None:
    Ask(Echo()).run(prompts_storage(tmp_path, "abc").step())
    changed = Echo()
    Ask(changed).run(prompts_storage(tmp_path, "axc").step())
    assert changed.asked == ["x"]
    other = Echo(model="other")
    Ask(other).run(prompts_storage(tmp_path, "axc").step())
    assert sorted(other.asked) == ["a", "c", "x"]


def test_a_new_column_and_a_step_put_in_between_cost_nothing(tmp_path: Path) -> None:
    Ask(Echo()).run(prompts_storage(tmp_path, "ab").step())
    rows = [{"new": n, "prompt": prompt} for n, prompt in enumerate("ab")]
    storage = FileStorage(str(write_rows(tmp_path / "prompts.jsonl", rows)), cache_path=str(tmp_path / "cache"))
    storage.step().write(storage.read("dict"))
    again = Echo()
    Ask(again).run(storage.step())
    assert again.asked == []
    assert column(storage, "new") == [0, 1]


def test_duplicate_rows_get_answers_of_their_own_that_stay_when_a_row_is_inserted(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["same", "same", "other", "same"])
    Ask(Echo()).run(storage.step())
    before = column(storage, "answer")
    assert len(set(before)) == 4
    storage = prompts_storage(tmp_path, ["first", "same", "same", "other", "between", "same"])
    again = Echo()
    Ask(again).run(storage.step())
    assert sorted(again.asked) == ["between", "first"]
    after = column(storage, "answer")
    assert [after[1], after[2], after[3], after[5]] == before


def test_rows_that_share_their_first_request_only_are_no_twins(tmp_path: Path) -> None:
    both = [{"prompt": ["shared", "x"]}, {"prompt": ["shared", "y"]}]
    storage = FileStorage(str(write_rows(tmp_path / "in.jsonl", both)), cache_path=str(tmp_path / "cache"))
    worker = Echo()
    Ask(worker).run(storage.step())
    assert sorted(worker.asked) == ["shared", "x", "y"]
    one, other = column(storage, "answer")
    assert str(one).split()[0] == str(other).split()[0]

    write_rows(tmp_path / "in.jsonl", both[1:])
    again = Echo()
    Ask(again).run(storage.reset().step())
    assert again.asked == []


def test_two_rows_wait_for_one_request_that_both_need(tmp_path: Path) -> None:
    rows = [{"prompt": ["a", "shared"]}, {"prompt": ["shared", "b"]}, {"prompt": "shared"}]
    storage = FileStorage(str(write_rows(tmp_path / "in.jsonl", rows)), cache_path=str(tmp_path / "cache"))
    worker = Uneven()
    Ask(worker).run(storage.step())
    assert sorted(worker.asked) == ["a", "b", "shared"]


def test_a_failed_request_fails_its_row_whole_which_keeps_its_place(tmp_path: Path) -> None:
    rows = [{"prompt": ["a", "b"], "n": 0}, {"prompt": ["bad", "c"], "n": 1}, {"prompt": ["d"], "n": 2}]
    storage = FileStorage(str(write_rows(tmp_path / "in.jsonl", rows)), cache_path=str(tmp_path / "cache"))
    refused = Failure("refused", "content policy", said="I cannot", maybe_paid=True)
    summary = Ask(Scripted({"bad": [refused]})).run(storage.step())
    written = read_rows(storage.current.target)
    assert [row["n"] for row in written] == [0, 1, 2]
    assert written[1] == {"prompt": ["bad", "c"], "n": 1, "answer": []}
    (failure,) = read_rows(storage.current.errors)
    assert (failure["line"], failure["class"], failure["reason"]) == (2, "refused", "content policy")
    assert (failure["said"], failure["maybe_paid"]) == ("I cannot", True)
    assert summary.reasons == {"content policy": 1}
    assert "\n  1 x content policy\n" in str(summary)

    again = Echo()
    assert Ask(again).run(storage.reset().step()).failed == 1
    assert again.asked == []
    healed = Echo()
    assert Ask(healed).run(storage.reset().step(), retry_rejected=True).failed == 0
    assert healed.asked == ["bad"]
    assert not storage.current.errors.exists()


def test_a_failure_that_may_pass_is_asked_again_by_the_next_run(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "busy"])
    busy = [Failure("retry", "server busy") for _ in range(5)]
    worker = Scripted({"busy": busy})
    assert Ask(worker).run(storage.step()).failed == 1
    assert worker.asked.count("busy") == 5
    healed = Echo()
    assert Ask(healed).run(storage.reset().step()).failed == 0
    assert healed.asked == ["busy"]


def test_a_row_that_failed_earlier_passes_through_and_alone_is_asked_once_it_heals(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "bad"])

    def both(first: Echo, second: Echo) -> int:
        storage.reset()
        Ask(first).run(storage.step(), retry_rejected=True)
        return Ask(second).run(storage.step(), input_key="answer", output_key="more").failed

    second = Echo()
    assert both(Scripted({"bad": [Failure("refused", "no")]}), second) == 1
    assert len(second.asked) == 1
    (failure,) = read_rows(storage.current.errors)
    assert failure["reason"] == "no `answer`: failed earlier"
    assert read_rows(storage.current.target)[1] == {"prompt": "bad", "answer": [], "more": []}
    healed = Echo()
    assert both(Echo(), healed) == 0
    assert [prompt[:4] for prompt in healed.asked] == ["bad/"]


@pytest.mark.parametrize(
    ("value", "kept"),
    [([], False), ([""], False), ("", False), (None, False), (["x"], True), ("x", True), (0, True), ([0], True)],
)
def test_a_filled_output_column_is_kept_unless_overwritten(tmp_path: Path, value: Any, kept: bool) -> None:
    rows = [{"prompt": "a", "answer": value}, {"prompt": "b"}]
    storage = FileStorage(str(write_rows(tmp_path / "in.jsonl", rows)), cache_path=str(tmp_path / "cache"))
    worker = Echo()
    Ask(worker).run(storage.step())
    assert sorted(worker.asked) == (["b"] if kept else ["a", "b"])
    assert (column(storage, "answer")[0] == value) is kept
    Ask(worker).run(storage.reset().step(), overwrite=True)
    assert sorted(worker.asked) == ["a", "b"]
    assert str(column(storage, "answer")[0]).startswith("a/")


def test_a_column_that_is_also_the_input_is_worked_on(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a"])
    Ask(Echo()).run(storage.step(), output_key="prompt")
    assert str(column(storage, "prompt")[0]).startswith("a/")


def test_one_row_may_become_several_or_none(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["3", "0", "2"])

    def split(row: dict[str, Any]) -> Any:
        yield []
        return [{**row, "k": k} for k in range(int(row["prompt"]))]

    summary = run_step(recipe(Echo(), steps=split, output=None, name="Split"), storage.step())
    assert [(row["prompt"], row["k"]) for row in read_rows(storage.current.target)] == [
        *(("3", k) for k in range(3)),
        *(("2", k) for k in range(2)),
    ]
    assert (summary.rows, summary.failed) == (5, 0)


def test_a_filter_may_leave_nothing_and_the_next_step_has_no_rows(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "ab")

    def none(row: dict[str, Any]) -> Any:
        return []
        yield

    run_step(recipe(Echo(), steps=none, output=None), storage.step())
    assert storage.current.target.read_bytes() == b""
    worker = Echo()
    assert Ask(worker).run(storage.step()).rows == 0
    assert worker.asked == []


def test_waves_go_on_with_the_judges_critique_and_a_hopeless_row_is_dropped(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["easy", "hard", "hopeless"])
    editor, judge = Echo(model="e"), Judge()
    run_step(judging(editor, judge), storage.step())
    assert [(row["prompt"], row["attempts"]) for row in read_rows(storage.current.target)] == [("easy", 1), ("hard", 2)]
    assert sorted(editor.asked) == sorted(
        ["easy", "hard", "hard, but try more", "hopeless", "hopeless, but bad", "hopeless, but bad"]
    )
    again = Echo(model="e"), Judge()
    run_step(judging(*again), storage.reset().step())
    assert [worker.asked for worker in again] == [[], []]


class Judge(Echo):
    """Likes what is easy, and what took the critique."""

    def __init__(self) -> None:
        super().__init__(model="judge")

    async def answer(self, job: Any) -> Any:
        prompt = job.request.prompt
        if "hopeless" in prompt:
            return Answer(text="bad")
        return Answer(text="good" if "easy" in prompt or "try more" in prompt else "try more")


def judging(editor: Echo, judge: Echo) -> Any:
    return recipe(editor, steps=judge_until_good, workers={"editor": editor, "judge": judge}, name="Judged")

"""Steps that run at once: the same files as in turn, one queue between two of them, one end for all."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dataflow.core import OperatorABC
from dataflow.core.records import Answer, Job, Request, Row
from dataflow.errors import ConfigError, Failure, FatalAnswer, Interrupted, MaxCostReached, StepFailed
from dataflow.flow.runner import run_step
from dataflow.flow.summary import Summary
from dataflow.operators.base import FilterOperator
from dataflow.pools.executor import LocalExecutor
from dataflow.utils.storage import FileStorage, Step
from tests.core.test_source import Numbers, numbers
from tests.kit.flow import Ask, column, journal_entries, prompts_storage, read_rows, recipe, write_rows
from tests.kit.paid import PRICES, Paid
from tests.kit.workers import WAIT, Echo, Gated, Scripted, Uneven, until
from tests.pools.test_gpus import Machine, OnGpu

NAME = "dataflow_cache_step_step"


class Slow(Echo):
    """Takes a twentieth of a second for each answer."""

    async def answer(self, job: Job) -> Answer:
        await asyncio.sleep(0.05)
        return await super().answer(job)


class Short(FilterOperator):
    """Drops every second row, asking nothing."""

    inputs = ("number",)

    def keep(self, row: Row, answers: Sequence[Answer] | None) -> bool:
        return bool(row["number"] % 2)


class Doubt(FilterOperator):
    """Asks about each row."""

    def question(self, row: Row) -> Request:
        return Request(row["prompt"], makes="text", worker="worker")

    def keep(self, row: Row, answers: Sequence[Answer] | None) -> bool:
        return True


class Measure(OperatorABC):
    """Written by hand: how long each answer is."""

    def run(self, storage: FileStorage) -> None:
        rows = storage.read("dict")
        storage.write([{**row, "length": str(len(row["answer1"]))} for row in rows])


def chain(storage: FileStorage, *workers: Echo, first: str = "prompt") -> list[Summary]:
    """Each step asks what the one before was answered."""
    summaries, before = [], first
    for number, worker in enumerate(workers, storage.operator_step + 1):
        made = f"answer{number}"
        summaries.append(Ask(worker).run(storage.step(), input_key=before, output_key=made))
        before = made
    return summaries


def at_once(
    storage: FileStorage, *workers: Echo, first: str = "prompt", then: Callable[[], object] = int
) -> list[Summary]:
    """`chain` in a block of its own, in which `then` is called."""
    with storage.overlapped():
        summaries = chain(storage, *workers, first=first)
        then()
    return summaries


def open_after(worker: Gated, jobs: int, *gates: Gated) -> threading.Thread:
    """Open gates, in a thread, once so many jobs have reached a worker."""

    def wait() -> None:
        worker.await_jobs(jobs)
        for gate in gates:
            gate.open()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def both_ways(folder: Path, prompts: Sequence[str], **settings: Any) -> tuple[FileStorage, FileStorage]:
    """Two storages on the same rows: one for steps in turn, one for steps at once."""
    for name in ("turn", "once"):
        (folder / name).mkdir()
    in_turn, at_once = (prompts_storage(folder / name, prompts, **settings) for name in ("turn", "once"))
    return in_turn, at_once


def files(storage: FileStorage) -> dict[str, bytes]:
    """All but what tells times."""
    found = [path for path in Path(storage.cache_path).glob(f"{NAME}*") if not path.name.endswith(".meta.json")]
    return {path.name: path.read_bytes() for path in found}


@pytest.mark.parametrize("cache_type", ["jsonl", "csv", "parquet"])
def test_steps_that_run_at_once_write_the_files_of_steps_in_turn(tmp_path: Path, cache_type: str) -> None:
    in_turn, at_once = both_ways(tmp_path, [f"p{number % 40}" for number in range(60)], cache_type=cache_type)
    first = chain(in_turn, Uneven(), Uneven(), Uneven())
    with at_once.overlapped():
        second = chain(at_once, Uneven(), Uneven(), Uneven())
    if cache_type != "parquet":  # which has times in it
        assert files(at_once) == files(in_turn)
    assert files(at_once).keys() == files(in_turn).keys()
    assert column_of(at_once, "answer3") == column_of(in_turn, "answer3")
    figures = [(each.step, each.rows_in, each.rows_done, each.rows, each.requests) for each in second]
    assert figures == [(each.step, each.rows_in, each.rows_done, each.rows, each.requests) for each in first]
    assert at_once.step().number == 4


def column_of(storage: FileStorage, name: str) -> list[object]:
    after = FileStorage(storage.first_entry_file_name, storage.cache_path, cache_type=storage.cache_type)
    for _ in range(4):
        step = after.step()
    return [row[name] for row in step.rows()]


def test_a_step_begins_with_the_first_rows_of_the_one_before(tmp_path: Path) -> None:
    storage, drawn, edited = prompts_storage(tmp_path, ["a", "b", "held"]), Gated(held="held"), Gated(held="nothing")
    thread = open_after(edited, 2, drawn)
    summaries = at_once(storage, drawn, edited)
    thread.join()
    assert [each.rows for each in summaries] == [3, 3]


@pytest.mark.parametrize("before", [0, 1])
def test_rows_that_are_begun_are_finished_before_others_where_steps_share_a_worker(tmp_path: Path, before: int) -> None:
    storage, both = prompts_storage(tmp_path, [f"p{number}" for number in range(20)]), Slow(width=2)
    at_once(storage, *[Uneven() for _ in range(before)], both, both)
    first = [prompt.count("/") == before for prompt in both.asked]
    assert first.index(False) < 19 - first[::-1].index(True), both.asked


def test_a_look_at_the_cards_of_a_step_waits_for_it(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    with storage.overlapped():
        chain(storage, Slow())
        assert repr(storage.show()) == f"2 of 2 rows of {NAME}1"


def test_an_operator_written_by_hand_waits_for_its_rows_and_others_read_what_it_writes(tmp_path: Path) -> None:
    in_turn, at_once = both_ways(tmp_path, ["a", "b", "c"])
    for storage, block in ((in_turn, nullcontext()), (at_once, at_once.overlapped())):
        with block:
            chain(storage, Slow())
            storage.step()
            Measure().run(storage)
            chain(storage, Slow(), Slow(), first="length")
    assert files(at_once) == files(in_turn)
    assert column(at_once, "length") == ["8", "8", "8"]


def test_columns_are_looked_for_over_the_whole_chain_before_anything_is_asked(tmp_path: Path) -> None:
    storage, worker = prompts_storage(tmp_path, ["a"]), Echo()
    with pytest.raises(ConfigError, match=r"step 3 \(Ask\) reads `anser2`.*come to `answer1`, `answer2`, `prompt`"):
        at_once(storage, worker, worker, then=lambda: chain(storage, worker, first="anser2"))
    assert (worker.asked, worker.prepared) == ([], 0)
    at_once(storage, worker, worker, then=lambda: chain(storage, worker, first="prompt"))
    assert column(storage, "answer3") == [f"a/{row['answer3'][2:]}" for row in read_rows(storage.current.target)]


def test_steps_given_in_another_order_are_checked_and_run_in_their_own(tmp_path: Path) -> None:
    storage, worker = prompts_storage(tmp_path, ["a", "b"]), Echo()
    with pytest.raises(ConfigError, match=r"step 2 \(Ask\) reads `anser1`"):
        backwards(storage, worker, "anser1")
    assert worker.asked == []
    assert [each.rows for each in backwards(storage, worker, "answer1")] == [2, 2]


def backwards(storage: FileStorage, worker: Echo, between: str) -> list[Summary]:
    with storage.overlapped():
        first, second = storage.step(), storage.step()
        later = Ask(worker).run(second, input_key=between, output_key="answer2")
        return [Ask(worker).run(first, output_key="answer1"), later]


def test_settings_of_a_step_that_waits_for_its_file_are_looked_at_before_anything_is_asked(tmp_path: Path) -> None:
    storage, worker = prompts_storage(tmp_path, ["a"], cache_type="csv", prices=PRICES, max_cost=1), Paid()
    unpriced = Paid()
    unpriced.model = "unknown"
    with pytest.raises(ConfigError, match="unknown"):
        at_once(storage, worker, unpriced)
    with pytest.raises(ConfigError, match="makes its own rows"):
        at_once(storage, worker, then=lambda: run_step(numbers(Numbers(9), Echo()), storage.step()))
    assert worker.asked == []


def test_an_operator_says_which_columns_it_adds(tmp_path: Path) -> None:
    class Twice(Ask):
        adds = ("extra",)

        def merge(self, row: Row, answers: Sequence[Answer], columns: Any) -> Sequence[Row]:
            return [{**row, columns.output: answers[0].text, "extra": "more"}]

    storage = prompts_storage(tmp_path, ["a"])
    with storage.overlapped():
        Twice(Echo()).run(storage.step())
        chain(storage, Echo(), first="extra")
    assert str(column(storage, "answer2")[0]).startswith("more/")


def test_what_charges_in_a_later_step_is_prepared_before_the_first_request(tmp_path: Path) -> None:
    class NoKey(Paid):
        def prepare(self) -> None:
            raise ConfigError("the key is missing")

    storage, worker = prompts_storage(tmp_path, ["a"], prices=PRICES), Paid()
    with pytest.raises(ConfigError, match="the key is missing"):
        at_once(storage, worker, NoKey())
    assert worker.asked == []
    Ask(worker).run(storage.step(), output_key="answer1")
    Ask(worker).run(storage.step(), input_key="answer1", output_key="answer2")
    storage.reset()
    at_once(storage, worker, NoKey())  # all is answered, and nobody needs it


def test_a_fatal_answer_stops_all_steps_and_the_block_is_done_again(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, [f"p{number:03}" for number in range(200)])
    slow, broken = Slow(width=4), Scripted({}, width=4)
    broken.answer = answer_until(broken, 8)  # type: ignore[method-assign]
    began = time.monotonic()
    handed: list[Summary] = []
    with pytest.raises(FatalAnswer, match="no such key"), storage.overlapped():
        handed += chain(storage, slow, broken)
    assert time.monotonic() - began < 2
    assert 8 <= len(slow.asked) < 60
    assert [storage.step().target.exists() for _ in range(2)] == [False, False]
    for each in handed:
        with pytest.raises(FatalAnswer):
            str(each)
    storage.reset()
    with storage.overlapped():
        first, second = chain(storage, Echo(), Echo())
    assert (first.step, first.reused, first.failed, second.failed) == (1, len(slow.asked), 0, 0)


def answer_until(worker: Echo, count: int) -> Any:
    good = worker.answer

    async def answer(job: Job) -> Answer:
        return await good(job) if len(worker.asked) <= count else Answer(error=Failure("fatal", "no such key"))

    return answer


def test_after_an_error_the_cell_begins_with_the_first_step_of_the_block(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    chain(storage, Echo())
    broken = Scripted({}, width=1)
    broken.answer = answer_until(broken, 0)  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(FatalAnswer):
            at_once(storage, Echo(), broken, first="answer1")
    first, second = at_once(storage, Echo(), Echo(), first="answer1")
    assert (first.step, first.requests, second.step, second.requests) == (2, 0, 3, 2)


def test_a_step_of_which_all_rows_failed_leaves_the_next_one_without_a_file(tmp_path: Path) -> None:
    storage, later = prompts_storage(tmp_path, ["a"]), Echo()
    with pytest.raises(StepFailed, match="every row of step 1 failed"):
        at_once(storage, Scripted({"a": [Failure("failed", "no")] * 9}), later)
    assert later.asked == []
    assert not (tmp_path / f"cache/{NAME}2.jsonl").exists()


def test_an_exception_in_the_block_is_raised_and_nothing_begins(tmp_path: Path) -> None:
    storage, worker = prompts_storage(tmp_path, ["a"]), Echo()
    with pytest.raises(ZeroDivisionError):
        at_once(storage, worker, worker, then=lambda: divmod(1, 0))
    assert worker.asked == []
    storage.reset()
    with pytest.raises(KeyError, match="1 row"):
        at_once(storage, worker, Slow(), then=partial(look_and_raise, storage))
    assert len(worker.asked) == 1


def look_and_raise(storage: FileStorage) -> None:
    raise KeyError(f"{len(storage.read('dict'))} row")


def test_a_block_that_ends_in_another_thread_leaves_no_step_behind(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "abcde")

    def held() -> Iterator[Step]:
        with storage.overlapped():
            chain(storage, Slow(), Slow(width=1))
            storage.read("dict")
            yield storage.current

    def begin() -> None:
        handed.append(next(block))

    block, handed = held(), list[Step]()
    thread = threading.Thread(target=begin)
    thread.start()
    thread.join(WAIT)
    block.close()  # type: ignore[attr-defined]
    assert handed[0].use.state == "ended by an exception"


def test_filters_drop_rows_on_the_way_and_one_that_fails_whole_stops_all(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{number}", "number": number} for number in range(9)]
    first = write_rows(tmp_path / "rows.jsonl", rows)
    storage = FileStorage(first, tmp_path / "cache")
    with storage.overlapped():
        short = Short().run(storage.step())
        (asked,) = chain(storage, Echo())
    assert (short.sides["dropped"], asked.rows_in, asked.rows) == (5, 4, 4)
    storage, later = FileStorage(first, tmp_path / "other"), Echo()
    refusing = Scripted({f"p{number}": [Failure("refused", "no")] for number in range(9)})
    with pytest.raises(StepFailed):
        doubt_and_ask(storage, refusing, later)
    assert (later.asked, [*(tmp_path / "other").glob("*.jsonl")]) == ([], [tmp_path / f"other/{NAME}1.errors.jsonl"])


def doubt_and_ask(storage: FileStorage, doubting: Echo, asking: Echo) -> None:
    with storage.overlapped():
        Doubt(doubting).run(storage.step())
        chain(storage, asking)


def test_rows_that_a_source_makes_are_followed_and_those_made_again_come_last(tmp_path: Path) -> None:
    storage = FileStorage(cache_path=tmp_path)
    with storage.overlapped():
        made = replace(numbers(Numbers(90), Uneven(width=8)), makes=("number", "answer"))
        first = run_step(made, storage.step())
        (second,) = chain(storage, Uneven(), first="answer")
    assert (first.rows, second.rows_in, second.rows) == (90, 90, 90)
    assert [column(storage, "number")[at] for at in (0, 59, 60, 89)] == ["1", "89", "0 again", "87 again"]


def test_rows_that_an_interrupted_run_left_are_not_taken(tmp_path: Path) -> None:
    storage, first, second = prompts_storage(tmp_path, ["a", "b"]), Gated(), Echo()
    left = [{"prompt": f"old{number}", "answer1": f"old{number}"} for number in range(50)]
    (tmp_path / "cache").mkdir()
    write_rows(tmp_path / f"cache/{NAME}1.jsonl.part", left)
    write_rows(tmp_path / f"cache/{NAME}1.jsonl", left)
    thread = open_after(first, 2, first)
    with storage.overlapped():
        chain(storage, first, second)
    thread.join()
    assert [each[:2] for each in second.asked] == ["a/", "b/"]


def test_finished_steps_ask_nothing_and_only_the_first_is_limited(tmp_path: Path) -> None:
    storage, worker = prompts_storage(tmp_path, ["a", "b", "c"], limit=2), Echo()
    for _ in range(2):
        storage.reset()
        with storage.overlapped():
            summaries = chain(storage, worker, worker)
    assert [(each.rows, each.requests, each.reused) for each in summaries] == [(2, 0, 2), (2, 0, 2)]
    assert len(worker.asked) == 4


def test_a_limit_on_what_is_spent_holds_and_finishes_more_rows(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, [f"p{number:03}" for number in range(40)], prices=PRICES, max_cost=0.015)
    with pytest.raises(MaxCostReached):
        at_once(storage, Paid(width=2), Paid(width=2))
    spent = sum(entry.get("cost", 0) for entry in journal_entries(tmp_path / "cache"))
    assert 0.015 - 0.0023 <= spent <= 0.015
    more = {"prices": PRICES, "max_cost": 0.02, "at_limit": "finish"}
    storage = prompts_storage(tmp_path, [f"p{number:03}" for number in range(40)], **more)
    first, second = at_once(storage, Paid(width=2), Paid(width=2))
    assert (first.rows, second.rows, second.failed > 10) == (40, 40, True)
    assert second.spent <= 0.02


def test_the_price_of_a_step_leaves_out_what_later_ones_spend_meanwhile(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b", "c", "d"], prices=PRICES)
    with storage.overlapped():
        first, second = chain(storage, Paid(), Paid())
    assert first.spent - first.cost_elsewhere == pytest.approx(0.0012)
    assert second.spent - second.cost_elsewhere == pytest.approx(0.0024)


@pytest.fixture
def one_gpu() -> Iterator[LocalExecutor]:
    made = LocalExecutor(gpus=1)
    yield made
    made.close()


@pytest.mark.parametrize("lookahead", [2, 10_000])
def test_models_that_need_one_gpu_take_turns_and_load_once(
    tmp_path: Path, one_gpu: LocalExecutor, lookahead: int
) -> None:
    storage, machine = prompts_storage(tmp_path, "abcdef"), Machine()
    drawn, edited = OnGpu(machine, model="draw"), OnGpu(machine, model="edit")
    with storage.overlapped():
        summaries = [run_step(recipe(Slow(width=1)), storage.step(), executor=one_gpu)]
        for worker, key in ((drawn, "b"), (edited, "c")):
            summaries.append(
                run_step(recipe(worker, output=key), storage.step(), executor=one_gpu, lookahead=lookahead)
            )
    assert (machine.opened, machine.most, [each.rows for each in summaries]) == (["draw", "edit"], 1, [6, 6, 6])
    assert summaries[2].seconds < summaries[1].seconds, "waiting for the other model is no part of its time"


def test_models_with_a_gpu_each_run_at_once(tmp_path: Path) -> None:
    storage, machine, two_gpus = prompts_storage(tmp_path, ["a", "hold"]), Machine(), LocalExecutor(gpus=2)
    drawn, edited = OnGpu(machine, model="draw"), OnGpu(machine, model="edit")
    thread = open_after(edited, 1, drawn, edited)
    with storage.overlapped():
        run_step(recipe(drawn), storage.step(), executor=two_gpus)
        run_step(recipe(edited, output="other"), storage.step(), executor=two_gpus)
    thread.join()
    two_gpus.close()
    assert machine.most == 2


def test_a_model_on_a_gpu_waits_for_no_step_that_asks_nobody(tmp_path: Path, one_gpu: LocalExecutor) -> None:
    drawn = OnGpu(Machine())

    class Long(FilterOperator):
        inputs = ("prompt",)

        def keep(self, row: Row, answers: Sequence[Answer] | None) -> bool:
            return row["prompt"] != "last" or drawn.reached.acquire(timeout=WAIT)

    storage = prompts_storage(tmp_path, [*"a" * 600, "last"])
    with storage.overlapped():
        kept = Long().run(storage.step())
        run_step(recipe(drawn), storage.step(), executor=one_gpu)
    assert kept.rows == 601


def test_a_block_within_a_block_waits_for_the_steps_so_far(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a"])
    with storage.overlapped():
        with storage.overlapped():
            chain(storage, Slow(), Slow())
        assert storage.current.target.exists()
        chain(storage, Slow(), first="answer2")
    with storage.overlapped():
        pass
    assert storage.step().number == 4


def test_a_step_runs_once_in_a_block(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a"])
    with pytest.raises(ConfigError, match="step 1 runs already"):
        at_once(storage, Echo(), then=lambda: Ask(Echo()).run(storage.current))


def test_a_dry_run_counts_the_steps_in_turn(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"], dry_run=True)
    with storage.overlapped():
        summaries = chain(storage, Echo(), Echo())
        assert [each.estimate and each.estimate.remaining for each in summaries] == [2, 2]
    assert storage.step().number == 3


def test_a_block_runs_in_any_thread(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    rows: list[int] = []

    def run() -> None:
        rows.extend(each.rows for each in at_once(storage, Slow(), Slow()))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(WAIT)
    assert rows == [2, 2]


def test_ctrl_c_ends_all_steps_with_what_was_answered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    storage = prompts_storage(tmp_path, [*"abcd", "held"])
    drawn, edited = Gated(held="held"), Gated(held="b")

    def interrupt() -> None:
        edited.await_jobs(4)
        os.kill(os.getpid(), signal.SIGINT)
        until(lambda: caplog.text.count("waiting for 1 request in flight") == 2)
        drawn.open()
        edited.open()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(Interrupted, match="with 5 rows of step 1, 4 rows of step 2 done") as caught:
        at_once(storage, drawn, edited)
    thread.join()
    assert caught.value.exit_code == 130
    with storage.overlapped():
        first, second = chain(storage, Echo(), Echo())
    assert (first.requests, second.requests) == (0, 1)


def test_ctrl_c_in_the_code_of_the_block_stops_it(tmp_path: Path) -> None:
    storage, worker = prompts_storage(tmp_path, ["a"]), Echo()
    with pytest.raises(Interrupted, match="stopped by"):
        at_once(storage, worker, worker, then=lambda: os.kill(os.getpid(), signal.SIGINT))
    assert worker.asked == []


def test_a_shard_of_steps_at_once_is_that_of_steps_in_turn(tmp_path: Path) -> None:
    in_turn, together = both_ways(tmp_path, [f"p{number}" for number in range(20)], shard="1/2")
    chain(in_turn, Echo(), Echo())
    at_once(together, Echo(), Echo())
    assert 0 < len(column(together, "answer2")) < 20
    assert files(together) == files(in_turn)
    origins = [sorted(Path(each.cache_path).glob(".dataflow/origins/*")) for each in (in_turn, together)]
    assert [len(found) for found in origins] == [2, 2]
    assert [path.read_bytes() for path in origins[0]] == [path.read_bytes() for path in origins[1]]

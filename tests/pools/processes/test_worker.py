"""Workers in processes of their own: one queue without a barrier, and what happens when one of them dies."""

import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.core.worker import Batching, Billing, Limits, Placement
from dataflow.flow.runner import run_step
from dataflow.pools.executor import LocalExecutor
from dataflow.pools.processes.worker import place
from tests.kit.apart import Apart, batches
from tests.kit.flow import column, journal_entries, prompts_storage, recipe
from tests.kit.in_processes import ask, parts, start_script
from tests.kit.sinks import Notes, jobs
from tests.kit.workers import WAIT, until


def test_nothing_that_a_worker_says_is_lost_because_it_runs_in_processes(tmp_path: Path) -> None:
    class Paid(Apart):
        licence = "apache-2.0"
        save_path = "/pictures"

        def billing(self) -> Billing:
            return Billing("apart")

    limits = Limits(3, width_at_first=2, per_minute=60.0, account="an account", lookahead=20_000)
    worker = Paid(str(tmp_path), batching=Batching(4, ahead=1, groups=True), limits=limits)
    placed = place(worker)
    assert placed is not worker
    assert placed.limits == replace(limits, width=6), "its two processes take six calls"
    assert placed.batching == Batching(4, ahead=2, groups=True)
    assert (placed.placement, placed.retry) == (worker.placement, worker.retry)
    assert (placed.licence, placed.save_path, placed.billing()) == ("apache-2.0", "/pictures", Billing("apart"))


def test_a_limit_that_a_worker_finds_out_later_holds_for_its_processes_too(tmp_path: Path) -> None:
    worker = Apart(str(tmp_path))
    placed = place(worker)
    worker.limits = Limits(4, per_minute=590.0)
    assert placed.limits == Limits(8, per_minute=590.0)


def test_workers_of_one_account_share_its_limits_in_processes_of_their_own(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    limits = Limits(4, width_at_first=2, per_minute=6000.0, account=str(tmp_path))
    asked, sharing = (Apart(str(tmp_path), placement=Placement(own_process=True), limits=limits) for _ in range(2))
    ask(executor, asked, "a")
    assert executor.pool(asked).limit == executor.pool(sharing).limit == " of 2, 6000 a minute"


def test_a_slow_call_does_not_hold_up_the_other_process(executor: LocalExecutor, tmp_path: Path, pipe: Path) -> None:
    prompts = [f"hold {pipe}", *(str(n) for n in range(20)), f"release {pipe}"]
    answers = ask(executor, Apart(str(tmp_path)), *prompts)
    assert parts(answers, 0) == prompts
    assert parts(answers, 1)[1:] == ["right"] * 21
    assert len(set(parts(answers, 2))) == 2
    assert str(os.getpid()) not in parts(answers, 2)


def test_each_process_has_its_device_and_lives_until_the_pool_is_closed(
    executor: LocalExecutor, tmp_path: Path, pipe: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = Apart(str(tmp_path), placement=Placement(("a", "b")))
    first = ask(executor, worker, f"hold {pipe}", f"release {pipe}")
    again = ask(executor, worker, f"hold {pipe}", f"release {pipe}")
    assert sorted(parts(first, 1)) == sorted(parts(again, 1)) == ["a", "b"]
    assert set(parts(first, 2)) == set(parts(again, 2))
    executor.close()
    printed = capfd.readouterr().err
    assert all(line in printed for line in ("loading ('a',)", "loading ('b',)", "closing ('a',)", "closing ('b',)"))
    for pid in parts(first, 2):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@pytest.mark.parametrize(("devices", "own"), [((), True), (("cpu",), True), (("cpu",), False), ((), False)])
def test_a_worker_of_one_device_has_a_process_only_if_it_asks(
    executor: LocalExecutor, tmp_path: Path, devices: tuple[str, ...], own: bool
) -> None:
    (answer,) = ask(executor, Apart(str(tmp_path), placement=Placement(devices, own_process=own)), "a")
    assert (parts([answer], 2) != [str(os.getpid())]) is own


def test_a_killed_process_gives_its_rows_back_and_every_row_is_answered_once(tmp_path: Path) -> None:
    prompts = [f"p{n}" for n in range(40)]
    prompts[5] = f"die {tmp_path / 'first'}"
    prompts[25] = f"die {tmp_path / 'second'}"
    storage = prompts_storage(tmp_path, prompts)
    worker = Apart(str(tmp_path), batching=Batching(4))
    summary = run_step(recipe(worker), storage.step())
    assert [str(text).split("|")[0] for text in column(storage, "answer")] == prompts
    assert (summary.rows, summary.failed) == (40, 0)
    got = Counter(entry["id"] for entry in journal_entries(tmp_path / "cache") if entry["t"] == "got")
    assert (len(got), max(got.values())) == (40, 1)
    assert summary.requests == 40 + 8


def test_a_row_that_kills_its_process_fails_alone(executor: LocalExecutor, tmp_path: Path) -> None:
    worker = Apart(str(tmp_path), placement=Placement(("only",), own_process=True), batching=Batching(4))
    *good, bad, last = ask(executor, worker, "a", "b", "c", "always-die", "d")
    assert parts([*good, last], 0) == ["a", "b", "c", "d"]
    assert (bad.error.kind, bad.error.suspect) == ("retry", True)
    assert str(bad.error) == "the process of Apart() on only died (killed by SIGKILL)"
    assert ["a"] in batches(tmp_path)
    assert ["always-die"] in batches(tmp_path)


def test_what_was_beside_a_row_that_kills_its_process_is_asked_again_with_nothing_beside_it(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    worker = Apart(str(tmp_path), placement=Placement(("only",), own_process=True), limits=Limits(3))
    flag = tmp_path / "died"
    first, bad, second = ask(executor, worker, f"linger {flag}", f"always-die {flag}", f"linger {flag}")
    assert parts([first, second], 0) == [f"linger {flag}"] * 2
    assert (bad.error.kind, bad.error.suspect) == ("retry", True)
    began = [line.split("|") for line in (tmp_path / "beside").read_text().splitlines()]
    assert began[0] == [f"always-die {flag}", "2"]
    assert [beside for _, beside in began[1:]] == ["1"] * 3


@pytest.mark.parametrize("devices", [("only",), ("left", "right")])
def test_deaths_amid_many_calls_at_once_cost_no_row_and_hold_up_none(tmp_path: Path, devices: tuple[str, ...]) -> None:
    prompts = [f"linger {tmp_path}"] * 60
    prompts[5] = f"die {tmp_path / 'first'}"
    prompts[40] = f"die {tmp_path / 'second'}"
    storage = prompts_storage(tmp_path, prompts)
    worker = Apart(
        str(tmp_path), placement=Placement(devices, own_process=True), limits=Limits(3), batching=Batching(2)
    )
    summary = run_step(recipe(worker), storage.step())
    assert [str(text).split("|")[0] for text in column(storage, "answer")] == prompts
    assert (summary.rows, summary.failed) == (60, 0)
    assert summary.requests <= 60 + 2 * 3 * 2


def test_every_process_learns_that_a_run_stops(executor: LocalExecutor, tmp_path: Path) -> None:
    worker = Apart(str(tmp_path), limits=Limits(2))
    staying = [f"stay {number}" for number in range(4)]
    notes = Notes(4)
    pool = executor.pool(worker)
    pool.let_go()  # there is no process yet
    pool.submit(jobs(staying), notes, begun=False)
    until(lambda: sorted(batches(tmp_path)) == [[prompt] for prompt in staying])
    pool.let_go()
    notes.wait()
    assert sorted(notes.answers) == staying
    assert Counter(parts(list(notes.answers.values()), 1)) == {"left": 2, "right": 2}


def test_a_worker_defined_in_the_script_itself_is_refused(tmp_path: Path) -> None:
    script = start_script(tmp_path, ["a"], "from tests.kit.apart import Apart\nclass Mine(Apart): pass")
    output, errors = script.communicate(timeout=WAIT)
    assert "error: Mine is to run in a process of its own. Define its class in a module" in errors
    assert (output, script.returncode) == ("the script runs\n", 1)


def test_ctrl_c_keeps_what_is_answered_and_ends_the_processes(tmp_path: Path, pipe: Path) -> None:
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    prompts = ["a", f"hold {pipe}", *("b" for _ in range(500))]
    script = start_script(tmp_path, prompts, "from tests.kit.apart import Apart as Mine", alive=str(alive))
    with alive.open(), pipe.open("wb"):  # both have loaded, one is in its call
        script.send_signal(signal.SIGINT)
    output, errors = script.communicate(timeout=WAIT)
    assert "\nstopped by Ctrl-C" in errors
    assert "KeyboardInterrupt" not in errors
    assert errors.count("closing") == 2
    assert output == "the script runs\n"


def test_ctrl_c_while_the_processes_load_ends_them_at_once(tmp_path: Path, pipe: Path) -> None:
    script = start_script(tmp_path, ["a"], "from tests.kit.apart import Apart as Mine", alive=str(pipe))
    assert script.stderr is not None
    while "loading" not in script.stderr.readline():
        pass
    script.send_signal(signal.SIGINT)  # nobody reads the pipe: they would load for ever
    _, errors = script.communicate(timeout=WAIT / 4)
    assert "\nstopped by Ctrl-C" in errors
    assert batches(tmp_path) == []

"""Workers in processes of their own: one queue without a barrier, and what happens when one of them dies."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.core.leaving import STOPS
from dataflow.core.records import Answer, Request
from dataflow.core.worker import Batching, Billing, Limits, Placement
from dataflow.errors import ConfigError, WorkerDied
from dataflow.flow.runner import run_step
from dataflow.pools.executor import LocalExecutor, call_directly
from dataflow.pools.processes.worker import place
from tests.kit.apart import Apart, batches
from tests.kit.flow import column, journal_entries, prompts_storage, recipe
from tests.kit.sinks import Notes, jobs
from tests.kit.workers import WAIT, until

ROOT = Path(__file__).parents[3]


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    made = LocalExecutor()
    yield made
    made.close()


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def ask(executor: LocalExecutor, worker: Apart, *prompts: str) -> list[Answer]:
    return call_directly(worker, [Request(prompt, makes="text") for prompt in prompts], executor=executor)


def parts(answers: list[Answer], at: int) -> list[str]:
    return [answer.text.split("|")[at] for answer in answers]


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
    asked, other = (Apart(str(tmp_path), placement=Placement(own_process=True), limits=limits) for _ in range(2))
    ask(executor, asked, "a")
    assert executor.pool(asked).limit == executor.pool(other).limit == " of 2, 6000 a minute"


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


def test_a_process_killed_between_calls_is_started_again(executor: LocalExecutor, tmp_path: Path) -> None:
    worker = Apart(str(tmp_path), placement=Placement(("only",), own_process=True))
    (first,) = ask(executor, worker, "a")
    os.kill(int(parts([first], 2)[0]), signal.SIGKILL)
    second = ask(executor, worker, "b", "c")
    assert parts(second, 0) == ["b", "c"]
    assert parts(second, 2)[0] != parts([first], 2)[0]


def test_a_row_that_kills_its_process_fails_alone(executor: LocalExecutor, tmp_path: Path) -> None:
    worker = Apart(str(tmp_path), placement=Placement(("only",), own_process=True), batching=Batching(4))
    *good, bad, last = ask(executor, worker, "a", "b", "c", "always-die", "d")
    assert parts([*good, last], 0) == ["a", "b", "c", "d"]
    assert (bad.error.kind, bad.error.suspect) == ("retry", True)
    assert str(bad.error) == "the process of Apart() on only died (killed by SIGKILL)"
    assert ["a"] in batches(tmp_path)
    assert ["always-die"] in batches(tmp_path)


def test_a_process_works_on_as_many_calls_at_once_as_its_worker_takes(executor: LocalExecutor, tmp_path: Path) -> None:
    worker = Apart(str(tmp_path), placement=Placement(("only",), own_process=True), limits=Limits(2))
    answers = ask(executor, worker, "meet", "meet", "a", "refuse", "b")
    assert parts([*answers[:3], answers[4]], 0) == ["meet", "meet", "a", "b"]
    assert answers[3].error.kind == "refused"
    assert len(set(parts([*answers[:3], answers[4]], 2))) == 1


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


def test_three_deaths_in_a_row_stop_the_run_with_what_was_printed(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["good", *("always-die" for _ in range(5))])
    worker = Apart(str(tmp_path), placement=Placement(("only",), own_process=True))
    with pytest.raises(WorkerDied, match=r"(?s)SIGKILL\), 3 times in a row. It last printed:\n.*about to fail$"):
        run_step(recipe(worker), storage.step())
    assert len([entry for entry in journal_entries(tmp_path / "cache") if entry["t"] == "got"]) == 1


def test_a_process_that_cannot_load_stops_the_run_before_anything_is_asked(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    dying = Apart(str(tmp_path), setup_does="die")
    with pytest.raises(WorkerDied, match=r"(?s)exit code 9\), 3 times in a row.*not enough memory for the weights$"):
        run_step(recipe(dying), storage.step())
    with pytest.raises(ConfigError, match="a damaged checkpoint"):
        run_step(recipe(Apart(str(tmp_path), setup_does="raise")), storage.reset().step())
    assert batches(tmp_path) == []
    assert run_step(recipe(Apart(str(tmp_path))), storage.reset().step()).maybe_paid == 0


def test_an_exception_arrives_with_its_traceback(executor: LocalExecutor, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="a bug") as caught:
        ask(executor, Apart(str(tmp_path)), "raise")
    assert "in answer" in "".join(caught.value.__notes__)


def test_what_is_no_answer_ends_the_call_instead_of_holding_it_for_ever(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    with pytest.raises(AttributeError, match="error") as caught:
        ask(executor, Apart(str(tmp_path)), "nonsense")
    assert "in a worker's process" in "".join(caught.value.__notes__)


def test_a_failed_answer_arrives_whole(executor: LocalExecutor, tmp_path: Path) -> None:
    (answer,) = ask(executor, Apart(str(tmp_path)), "refuse")
    assert answer.error.kind == "refused"
    assert (answer.error.reason, answer.error.said, answer.usage) == ("no more", "402", {"images": 1.0})
    assert answer.error.usage == {"images": 1.0}


def test_a_worker_that_does_not_pickle_is_refused(executor: LocalExecutor, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Apart\(\) cannot be sent to a process of its own: .*lock"):
        ask(executor, Apart(str(tmp_path), extra=threading.Lock()), "a")


def test_what_is_cut_off_does_not_answer_for_the_next(executor: LocalExecutor, tmp_path: Path, pipe: Path) -> None:
    worker = Apart(str(tmp_path), placement=Placement(("only",), own_process=True))
    ask(executor, worker, "first")
    held, other = Notes(1), Notes(2)
    pool = executor.pool(worker)
    pool.submit(jobs([f"hold {pipe}"]), held, begun=False)
    with pipe.open("wb"):  # it is in the call now
        pool.cancel(held)
        pool.submit(jobs(["a", "b"]), other, begun=False)
        other.wait()
    assert (held.answers, other.retried, other.failure) == ({}, [], None)
    assert {prompt: answer.text.split("|")[0] for prompt, answer in other.answers.items()} == {"a": "a", "b": "b"}


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


def test_what_a_process_warms_up_for_is_known_outside(executor: LocalExecutor, tmp_path: Path) -> None:
    worker = Apart(str(tmp_path), placement=Placement(("only",), own_process=True))
    pool = executor.pool(worker)
    ask(executor, worker, "warm")
    until(lambda: pool.pause == "warming up on only")
    ask(executor, worker, "cool")
    until(lambda: pool.pause == "")


def test_signals_that_stop_a_run_are_not_for_the_processes(executor: LocalExecutor, tmp_path: Path) -> None:
    worker = Apart(str(tmp_path), placement=Placement(("only",), own_process=True))
    pids = []
    for prompt in "ab":
        (answer,) = ask(executor, worker, prompt)
        pids.append(int(answer.text.split("|")[2]))
        for number in STOPS:
            os.kill(pids[0], number)
    assert pids[0] == pids[1]
    assert os.getsid(pids[0]) != os.getsid(0)


SCRIPT = """
import sys
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask
{worker}
print("the script runs", flush=True)
folder, rows = sys.argv[1:3]
storage = FileStorage(rows, cache_path=folder + "/cache")
Ask(Mine(folder, **{settings})).run(storage.step())
print("done", flush=True)
"""


def start_script(folder: Path, prompts: list[str], worker: str, **settings: object) -> "subprocess.Popen[str]":
    storage = prompts_storage(folder, prompts)
    (folder / "script.py").write_text(SCRIPT.format(worker=worker, settings=settings))
    command = [sys.executable, str(folder / "script.py"), str(folder), storage.first_entry_file_name]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_a_script_without_a_main_guard_runs_once(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from tests.kit.apart import Apart\nclass Mine(Apart): pass\n")
    script = start_script(tmp_path, ["a", "b", "c"], "from mine import Mine")
    output, errors = script.communicate(timeout=WAIT)
    assert (output, script.returncode) == ("the script runs\ndone\n", 0), errors
    assert errors.count("loading") == errors.count("closing") == 2
    assert sorted(batches(tmp_path)) == [["a"], ["b"], ["c"]]


def test_a_worker_defined_in_the_script_itself_is_refused(tmp_path: Path) -> None:
    script = start_script(tmp_path, ["a"], "from tests.kit.apart import Apart\nclass Mine(Apart): pass")
    output, errors = script.communicate(timeout=WAIT)
    assert "error: Mine is to run in a process of its own. Define its class in a module" in errors
    assert (output, script.returncode) == ("the script runs\n", 1)


def test_something_of_the_script_inside_the_worker_is_refused(tmp_path: Path) -> None:
    worker = "from tests.kit.apart import Apart\nclass Extra: pass\nMine = lambda folder: Apart(folder, extra=Extra())"
    _, errors = start_script(tmp_path, ["a"], worker).communicate(timeout=WAIT)
    assert "error: a worker cannot be loaded in a process of its own" in errors
    assert "Define its class in a module" in errors


@pytest.mark.parametrize("busy", [True, False])
def test_processes_end_with_a_driver_that_is_killed(tmp_path: Path, pipe: Path, busy: bool) -> None:
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    prompts = [f"hold {pipe}" if busy else "a"] * 2
    script = start_script(tmp_path, prompts, "from tests.kit.apart import Apart as Mine", alive=str(alive))
    with alive.open() as lives:
        assert len({lives.readline() for _ in "ab"}) == 2
        if busy:
            with pipe.open("wb"):  # one is in its call
                script.kill()
                assert lives.read() == ""  # nobody has it open any more
        else:
            script.kill()
            assert lives.read() == ""
    script.communicate(timeout=WAIT)
    assert script.returncode == -signal.SIGKILL


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


def test_a_call_that_outlasts_the_closing_of_its_pool_is_ended_and_reported(tmp_path: Path, pipe: Path) -> None:
    executor = LocalExecutor()
    notes = Notes(2)
    executor.pool(Apart(str(tmp_path))).submit(jobs([f"hold {pipe}", "b"]), notes, begun=False)
    with pipe.open("wb"):
        executor.close()
        notes.wait()
    assert "Apart() was closed while it worked" in str(notes.failure)

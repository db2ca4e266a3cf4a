"""What goes on in a process of a worker: its calls, its errors, and that it ends with the driver."""

import asyncio
import os
import pickle
import signal
from pathlib import Path

import pytest

from dataflow.core.process_exit import STOPS
from dataflow.core.worker import Limits, Placement
from dataflow.errors import ConfigError
from dataflow.pools.executor import LocalExecutor
from dataflow.pools.processes.worker_end import load_worker, portable, reply
from tests.kit.apart import Apart, batches
from tests.kit.in_processes import ask, parts, start_script
from tests.kit.sinks import jobs
from tests.kit.workers import WAIT, until


def test_a_process_works_on_as_many_calls_at_once_as_its_worker_takes(executor: LocalExecutor, tmp_path: Path) -> None:
    worker = Apart(str(tmp_path), placement=Placement(("only",), own_process=True), limits=Limits(2))
    answers = ask(executor, worker, "meet", "meet", "a", "refuse", "b")
    assert parts([*answers[:3], answers[4]], 0) == ["meet", "meet", "a", "b"]
    assert answers[3].error.kind == "refused"
    assert len(set(parts([*answers[:3], answers[4]], 2))) == 1


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


def test_a_script_without_a_main_guard_runs_once(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from tests.kit.apart import Apart\nclass Mine(Apart): pass\n")
    script = start_script(tmp_path, ["a", "b", "c"], "from mine import Mine")
    output, errors = script.communicate(timeout=WAIT)
    assert (output, script.returncode) == ("the script runs\ndone\n", 0), errors
    assert errors.count("loading") == errors.count("closing") == 2
    assert sorted(batches(tmp_path)) == [["a"], ["b"], ["c"]]


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


class Stubborn(Exception):
    """One that pickles but cannot be made again of its pickle."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


def raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def test_an_error_travels_with_its_traceback_in_a_form_that_can_be_read() -> None:
    travelled = pickle.loads(pickle.dumps(portable(raised(KeyError("a bug")))))
    assert (type(travelled), travelled.args) == (KeyError, ("a bug",))
    assert "in raised\n    raise error" in travelled.__notes__[0]
    (replaced,) = portable(raised(Stubborn("no", "way"))).args
    assert "in raised\n    raise error" in replaced
    assert "Stubborn: no" in replaced


def test_a_worker_whose_class_cannot_be_imported_says_what_mends_it() -> None:
    nowhere = b"ctests.kit.apart\nNowhere\n."
    with pytest.raises(
        ConfigError, match=r"a worker cannot be loaded in a process of its own: .*Nowhere.*\. Move it\."
    ):
        load_worker(nowhere, "Move it.")
    loaded = load_worker(pickle.dumps(Apart("folder")), "Move it.")
    assert isinstance(loaded, Apart)
    assert loaded.folder == "folder"


def test_every_call_is_replied_to_with_answers_or_with_what_was_raised(tmp_path: Path) -> None:
    good, refused = pickle.loads(asyncio.run(reply(Apart(str(tmp_path)), jobs(["a", "refuse"]))))
    assert good.text.split("|")[:2] == ["a", "left-right"]
    assert (refused.error.kind, refused.usage) == ("refused", {"images": 1.0})
    assert isinstance(pickle.loads(asyncio.run(reply(Apart(str(tmp_path)), jobs(["raise"])))), ZeroDivisionError)

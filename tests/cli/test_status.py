"""`dataflowmm status` on real runs against a loopback server: at work, killed, finished, moved."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dataflow.cli.main import main
from dataflow.cli.status import show_status
from dataflow.core.records import Row
from dataflow.errors import Failure, FatalAnswer, StepFailed
from dataflow.flow.runner import run_step
from dataflow.journal.journal import Journal
from dataflow.journal.lock import this_process
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.figures import FiguresFile, read_figures
from dataflow.utils.storage import FileStorage
from tests.chaos.checks import ROOT, write_prompts
from tests.chaos.edit_once import edit
from tests.kit.flow import Ask, prompts_storage, recipe, write_rows
from tests.kit.loopback import Act, Asked, LoopbackServer
from tests.kit.terminal import terminal
from tests.kit.workers import WAIT, Echo, Gated, Scripted, until

STATUS = [sys.executable, "-m", "dataflow.cli.main", "status"]
ROWS = 30
Say = Callable[..., str]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs the command here, as a second process would; gives what it prints."""

    def run(cache: Path, *flags: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(["status", str(cache), *flags]) == code
        said = capsys.readouterr()
        return said.out if code == 0 else said.err

    return run


class Holding:
    """Answers so many requests, refuses the second, and holds all others until told to go on."""

    def __init__(self, answers: int) -> None:
        self.answers = self.left = answers
        self.server = LoopbackServer(act_for=self.act, remember=False)

    def act(self, asked: Asked) -> Act | None:
        self.left -= 1
        if "wall 1." in asked.prompt:
            return Act(body={"error": {"message": "blocked by safety", "code": "content_policy_violation"}}, status=400)
        return Act(hang=True) if self.left < 0 else None


def is_stuck(figures: Row, answers: int) -> bool:
    """Whether a status file shows all answers that the server gives; a rate is known a second after the first row."""
    return figures.items() >= {"rows_done": answers, "in_flight": 8}.items() and figures["rows_per_second"] > 0


@contextmanager
def at_work(folder: Path, holding: Holding) -> Iterator[subprocess.Popen[bytes]]:
    """A process that edits rows, stuck at what the server holds, with the figures of that in its status file."""
    write_prompts(folder, ROWS)
    command = [sys.executable, "-m", "tests.chaos.edit_once", holding.server.url, str(folder)]
    with (folder / "said.txt").open("wb") as said:
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
    try:
        cache = CacheFolder(folder / "cache")
        until(lambda: is_stuck(read_figures(cache.status("dataflow_cache_step_step1")), holding.answers))
        until(lambda: read_figures(cache.totals).get("in_flight") == 8)
        yield process
    finally:
        process.kill()
        process.wait()


def look(say: Say, cache: Path) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(say(cache, "--json"))
    return seen


@pytest.fixture(scope="module")
def stuck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """The cache and the pid of a process at work, with 12 of 30 rows done, one of them refused, and 8 in flight."""
    folder, holding = tmp_path_factory.mktemp("stuck"), Holding(answers=12)
    with holding.server, at_work(folder, holding) as process:
        yield folder / "cache", process.pid


def test_a_run_at_work_is_seen_from_another_process(stuck: tuple[Path, int], say: Say) -> None:
    cache, pid = stuck
    seen = look(say, cache)
    assert (seen["state"], seen["pid"], seen["here"]) == ("running", pid, True)
    (step,) = seen["steps"]
    assert (step["state"], step["operator"], step["rows"]) == ("running", "PromptedImageEditGenerator", ROWS)
    assert (step["done"], step["failed"], step["in_flight"]) == (12, 1, 8)
    assert step["rows_per_second"] > 0
    assert step["seconds_left"] > 0
    assert [(failure["kind"], failure["rows"]) for failure in step["failures"]] == [("refused", 1)]
    text = say(cache)
    assert f"running (process {pid})" in text
    assert "12/30" in text
    assert "40 %, 8 in flight" in text
    assert "1 x refused: " in text
    assert f"each of them: {cache / 'dataflow_cache_step_step1.errors.jsonl.part'}" in text


def test_a_killed_run_is_said_to_be_dead_with_what_it_left(tmp_path: Path, say: Say) -> None:
    holding, cache = Holding(answers=12), tmp_path / "cache"
    with holding.server, at_work(tmp_path, holding) as process:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        text = say(cache)
    assert f"not running, process {process.pid} was killed" in text
    assert "8 requests cut off without an answer" in text
    assert "run the same command again" in text
    assert re.search(r"\n      the process is gone\n      figures of \d\d:\d\d:\d\d\n", text)
    (step,) = look(say, cache)["steps"]
    assert (step["state"], step["done"], step["failed"], step["in_flight"]) == ("stopped", 12, 1, 0)
    assert len(step["failures"]) == 1
    assert say(cache, "--watch").count("not running") == 1


FORBIDDEN = """
import sys
from dataflow.cli.main import main
cache = sys.argv[1]
offences = []

def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(cache):
        if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            offences.append((event, arguments))
    elif event.startswith(("fcntl.", "sqlite3.")):
        offences.append((event, arguments))
    elif event in ("os.utime", "os.mkdir", "os.rename", "os.remove", "os.truncate", "os.chmod", "os.link"):
        offences.append((event, arguments))

import os
sys.addaudithook(hook)
code = main(["status", cache])
assert not offences, offences
sys.exit(code)
"""


def test_it_locks_nothing_and_opens_nothing_for_writing(stuck: tuple[Path, int]) -> None:
    command = [sys.executable, "-c", FORBIDDEN, str(stuck[0])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "running (process" in done.stdout


def test_watching_prints_lines_without_a_terminal_and_ends_when_the_run_does(tmp_path: Path) -> None:
    """The server answers nothing until the watch has shown the run at work, however slowly either process starts."""
    write_prompts(tmp_path, ROWS)
    status, watched = CacheFolder(tmp_path / "cache").status("dataflow_cache_step_step1"), threading.Event()

    def wait_for_the_watch(asked: Asked) -> None:
        assert watched.wait(3 * WAIT)

    with ExitStack() as stack:
        server = stack.enter_context(LoopbackServer(act_for=wait_for_the_watch, remember=False))
        stack.callback(watched.set)
        edits = [sys.executable, "-m", "tests.chaos.edit_once", server.url, str(tmp_path)]
        process = stack.enter_context(subprocess.Popen(edits, cwd=ROOT, stdout=subprocess.DEVNULL))
        until(lambda: read_figures(status).get("in_flight") == 8)
        command = [*STATUS, str(tmp_path / "cache"), "--watch"]
        watch = stack.enter_context(
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        assert watch.stdout is not None
        first = watch.stdout.readline()
        watched.set()
        said, errors = watch.communicate(timeout=5 * WAIT)
        assert process.wait(WAIT) == 0
    assert (watch.returncode, errors) == (0, "")
    assert re.match(r"\d\d:\d\d:\d\d step 1 PromptedImageEditGenerator: 0/30 rows, 0 failed, 8 in flight", first)
    assert re.search(r"1  PromptedImageEditGenerator  complete +30/30 +0\n", said)
    assert "the cost of 30 requests is not known: the model has no price" in said


def test_on_a_terminal_it_refreshes_in_place_within_80_columns_until_interrupted(stuck: tuple[Path, int]) -> None:
    ours, theirs = terminal(80)
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    command = [*STATUS, str(stuck[0]), "--watch"]
    watch = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    os.close(theirs)
    shown = b""
    while shown.count(b"in flight") < 2:  # the first look, and one more 2 s later
        shown += os.read(ours, 65536)
    watch.send_signal(signal.SIGINT)
    _, errors = watch.communicate(timeout=3 * WAIT)
    os.close(ours)
    assert watch.returncode == 130
    assert errors == b""
    first = shown.decode().split("\x1b[2K")[0].removeprefix("\x1b[?25l")
    lines = first.splitlines()
    assert any("12/30" in line for line in lines)
    assert [line for line in lines if len(line) > 80 and str(stuck[0]) not in line] == []


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A cache of three rows: one good, one whose picture is gone, one refused; what they cost is known."""
    write_prompts(tmp_path, 3)
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    lines[2] = json.dumps({"images": "gone.png", "conversations": "nothing"})
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    with Holding(answers=12).server as server:
        summary = edit(server.url, tmp_path)
    assert summary.failed == 2
    return tmp_path / "cache"


def test_a_finished_step_has_its_rows_and_reasons(finished: Path, say: Say) -> None:
    seen = look(say, finished)
    (step,) = seen["steps"]
    assert (step["state"], step["rows"], step["done"], step["failed"]) == ("complete", 3, 3, 2)
    assert {failure["kind"] for failure in step["failures"]} == {"refused", "row"}
    text = say(finished)
    assert "not running, last at work at" in text or "just done" in text
    assert "1 x no picture 'gone.png'" in text
    assert f"each of them: {finished / 'dataflow_cache_step_step1.errors.jsonl'}" in text


@pytest.mark.parametrize("flags", [{}, {"as_json": True}])
def test_watching_ends_when_nothing_has_begun_since_the_last_look_though_the_process_lives_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: dict[str, bool]
) -> None:
    """As a notebook's kernel does; here it is the process of this test."""
    Ask(Echo()).run(prompts_storage(tmp_path, ["p"]).step())
    assert show_status(tmp_path / "cache", watch=True, seconds=0.01, **flags) == 0
    said = capsys.readouterr().out
    assert said.count('"state":"between steps"') == 2 if flags else "just done" in said.splitlines()[0]


def test_a_finished_step_in_a_folder_below_is_found(tmp_path: Path, say: Say) -> None:
    storage = prompts_storage(tmp_path, ["p", "q"], file_name_prefix="sub/x")
    Ask(Scripted({"q": [Failure("refused", "no")]})).run(storage.step())
    (step,) = look(say, tmp_path / "cache")["steps"]
    assert (step["file"], step["state"], step["rows"], step["failed"]) == ("sub/x_step1.jsonl", "complete", 2, 1)
    assert (step["in_flight"], step["errors"]) == (0, "sub/x_step1.errors.jsonl")


def test_a_filter_that_let_nothing_pass_has_stopped_and_tells_why(tmp_path: Path, say: Say) -> None:
    storage = prompts_storage(tmp_path, ["p", "q"])
    judge = Scripted({prompt: [Failure("retry", "busy", retries=0)] for prompt in "pq"})
    with pytest.raises(StepFailed):
        run_step(recipe(judge, output=None), storage.step())
    (step,) = look(say, tmp_path / "cache")["steps"]
    assert (step["state"], step["failed"], step["failures"][0]["rows"]) == ("stopped", 2, 2)
    assert step["why"].startswith("every row of step 1 failed")
    errors = tmp_path / "cache" / "dataflow_cache_step_step1.errors.jsonl"
    assert f"each of them: {errors}\n" in say(tmp_path / "cache")


def test_a_moved_cache_and_one_without_a_journal_are_read_as_well(finished: Path, tmp_path: Path, say: Say) -> None:
    (before,) = look(say, finished)["steps"]
    moved = tmp_path / "elsewhere" / "cache"
    moved.parent.mkdir()
    shutil.move(finished, moved)
    assert look(say, moved)["steps"] == [before]
    shutil.rmtree(moved / ".dataflow")
    (step,) = look(say, moved)["steps"]
    assert (step["state"], step["rows"], step["done"], step["failed"]) == ("complete", 3, 3, 2)
    assert step["failures"] == before["failures"]
    assert step["operator"] == before["operator"]


def test_steps_of_several_prefixes_stand_apart_at_work_at_the_same_time_too(tmp_path: Path, say: Say) -> None:
    """One step is complete, two run at once in threads of one process, each with a request in flight."""
    storages = [prompts_storage(tmp_path, ["p", "q"], file_name_prefix=prefix) for prefix in ("done", "left", "right")]
    Ask(Echo()).run(storages[0].step())
    gates = [Gated(width=2), Gated(width=2)]
    gates[0].model, gates[1].model = "left", "right"  # or one step waits for what the other asks
    threads = [
        threading.Thread(target=run_step, args=(recipe(gate), storage.step()))
        for gate, storage in zip(gates, storages[1:], strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        for gate in gates:
            gate.await_jobs(2)
        until(lambda: [step["in_flight"] for step in look(say, tmp_path / "cache")["steps"]] == [0, 2, 2])
        seen = look(say, tmp_path / "cache")
        assert seen["state"] == "running"
        states = [(step["prefix"], step["state"], step["in_flight"], step["requests"]) for step in seen["steps"]]
        assert states == [("done", "complete", 0, 2), ("left", "running", 2, 2), ("right", "running", 2, 2)]
        assert "left_step*\nstep" in say(tmp_path / "cache")
    finally:
        for gate in gates:
            gate.open()
        for thread in threads:
            thread.join()
    assert {step["state"] for step in look(say, tmp_path / "cache")["steps"]} == {"complete"}


def test_a_step_written_by_hand_and_one_of_an_older_version_show_their_rows(tmp_path: Path, say: Say) -> None:
    storage = FileStorage(write_rows(tmp_path / "in.jsonl", [{"a": 1}, {"a": 2}]), tmp_path / "cache")
    storage.step().write([{"a": 1}, {"a": 2}])
    (tmp_path / "cache" / "dataflow_cache_step_step2.jsonl.part").write_text('{"a": 1}\n')
    (tmp_path / "cache" / "dataflow_cache_step_step2.errors.jsonl.part").write_text(
        '{"class": "row", "reason": "no"}\n'
    )
    steps = look(say, tmp_path / "cache")["steps"]
    assert [(step["state"], step["rows"], step["done"], step["failed"], step["operator"]) for step in steps] == [
        ("complete", 2, 2, 0, ""),
        ("stopped", None, 1, 1, ""),
    ]
    assert "-         complete" in say(tmp_path / "cache")


def test_a_cache_of_an_older_version_shows_what_its_meta_files_say(tmp_path: Path, say: Say) -> None:
    storage = prompts_storage(tmp_path, ["p", "q"])
    Ask(Echo()).run(storage.step())
    meta = json.loads(storage.current.meta.read_bytes())
    del meta["summary"]
    meta["cost"] |= {"directory": 1.5, "this_run": 0.25, "currency": "USD"}
    storage.current.meta.write_text(json.dumps(meta))
    CacheFolder(tmp_path / "cache").totals.unlink()
    seen = look(say, tmp_path / "cache")
    (step,) = seen["steps"]
    assert (step["state"], step["rows"], step["done"], step["operator"]) == ("complete", 2, 2, "Ask")
    assert (seen["spent"], seen["currency"], step["cost"]) == (1.5, "USD", 0.25)


def test_figures_of_a_process_that_is_gone_are_not_those_of_the_one_that_works(tmp_path: Path, say: Say) -> None:
    cache = tmp_path / "cache"
    file = FiguresFile(CacheFolder(cache).status("dataflow_cache_step_step1"))
    with Journal.opened(cache):
        file.write({"file": "dataflow_cache_step_step1.jsonl", "process": this_process(), "why": "", "rows_done": 1})
        assert look(say, cache)["steps"][0]["state"] == "running"
        file.write({"file": "dataflow_cache_step_step1.jsonl", "process": f"{os.getpid()} another", "why": ""})
        seen = look(say, cache)
        assert (seen["state"], seen["steps"][0]["state"]) == ("running", "stopped")
        assert "the process is gone" in say(cache)


def test_a_run_killed_between_its_commit_and_the_end_of_its_figures_is_complete(tmp_path: Path, say: Say) -> None:
    Ask(Echo()).run(prompts_storage(tmp_path, ["p", "q"]).step())
    status = CacheFolder(tmp_path / "cache").status("dataflow_cache_step_step1")
    FiguresFile(status).write({"file": "dataflow_cache_step_step1.jsonl", "process": "1 another", "why": ""})
    (step,) = look(say, tmp_path / "cache")["steps"]
    assert (step["state"], step["done"], step["requests"], step["at"]) == ("complete", 2, 2, 0)


def test_a_step_that_ended_in_an_error_says_which(tmp_path: Path, say: Say) -> None:
    with pytest.raises(FatalAnswer):
        Ask(Scripted({"p": [Failure("fatal", "the key is wrong")]})).run(prompts_storage(tmp_path, ["p"]).step())
    (step,) = look(say, tmp_path / "cache")["steps"]
    assert (step["state"], step["done"], step["rows"]) == ("stopped", 0, 1)
    said = say(tmp_path / "cache")  # this process lives on, as a notebook's kernel does
    assert "      the key is wrong" in said
    assert "not running, last at work at" in said
    assert said.endswith("What was answered is kept, and neither asked nor paid again.\n")


def test_a_step_whose_file_was_removed_is_no_longer_complete(tmp_path: Path, say: Say) -> None:
    storage = prompts_storage(tmp_path, ["p"])
    Ask(Echo()).run(storage.step())
    storage.current.target.unlink()
    (step,) = look(say, tmp_path / "cache")["steps"]
    assert step["state"] == "removed"


def test_another_folder_is_refused_with_what_was_looked_for(
    finished: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "it does not exist (looked from " in say(finished / "nowhere", code=1)
    empty = finished.parent / "empty"
    empty.mkdir()
    said = say(empty, code=1)
    assert "it has neither .dataflow/journal.jsonl nor a file like dataflow_cache_step_step1.jsonl" in said
    assert "give the cache_path of a FileStorage" in said
    for near in (finished.parent, finished / "dataflow_cache_step_step1.jsonl", finished / "images"):
        assert f"did you mean {finished}?" in say(near, code=1)


def test_a_pipe_that_is_closed_early_ends_it_without_a_traceback(finished: Path) -> None:
    with subprocess.Popen(
        [*STATUS, str(finished)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0

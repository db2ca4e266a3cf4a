"""Runs that a signal stops at random moments: how each ended, how long that took, and what was lost.

python -m tests.chaos.stops api 60
python -m tests.chaos.stops local 60
"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.chaos.checks import ROOT, in_flight, journal, unfinished, whole_pictures, write_prompts
from tests.chaos.edit_once import WIDTH
from tests.kit.loopback import LoopbackServer

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LATENCIES = (0.2, 8.0, 40.0)  # seconds of a reply
SOON = 5.0  # seconds to the end where nothing is in flight
AT_ONCE = {"api": 10, "local": 2}  # runs side by side: those over an API mostly wait
_ROWS = 3 * WIDTH
_LOADING = 15.0  # seconds of a run of the demo from its first line in the journal on
_DRAWING = 3.0  # and from its first picture


@dataclass(frozen=True, slots=True)
class Stop:
    """One run that was stopped.

    Args:
        what: ran, and where it was.
        number: the signal.
        code: of the exit.
        seconds: from the signal to the end.
        waited: seconds for which requests were in flight, or may have been; 0 if none were.
        lost: answers that were sent and are not in the journal.
        twice: requests that the next run paid again.
        said: all that it printed; nothing where Python was still importing, which tells Ctrl-C by a traceback.
    """

    what: str
    number: signal.Signals
    code: int
    seconds: float
    waited: float
    lost: int
    twice: int
    said: str

    @property
    def faults(self) -> list[str]:
        """What is not as it should be; a run that had ended before its signal has none."""
        found = []
        if {self.code, 128 - self.code} & {128 + self.number} == set() and self.code != 0:
            found.append(f"code {self.code}")
        if "Traceback" in self.said:
            found.append("a traceback")
        if self.seconds > self.waited + SOON:
            found.append(f"{self.seconds:.1f} s")
        if self.lost or self.twice:
            found.append(f"{self.lost} lost, {self.twice} paid twice")
        return [f"{self.what}, {self.number.name}: {each}" for each in found]


def stopped(
    command: Sequence[str], folder: Path, begun: Callable[[], bool], after: float, number: signal.Signals
) -> tuple[int, float, str]:
    """Exit code, seconds from the signal to the end and what a command said that is stopped.

    Args:
        command: to run.
        folder: for what it says.
        begun: whether it has come to where the time begins.
        after: seconds from then on.
        number: the signal.
    """
    with (folder / "said.txt").open("w+", encoding="utf-8") as said:
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said, start_new_session=True)
        try:
            while not begun() and process.poll() is None:
                time.sleep(0.02)
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        began = time.monotonic()
        code = process.wait(300)
        seconds = time.monotonic() - began
        said.seek(0)
        return code, seconds, said.read()


def stop_api(folder: Path, latency: float, after: float, number: signal.Signals) -> Stop:
    """One run over an API, and the next, which completes it; the time begins with the first request."""
    write_prompts(folder, _ROWS)
    command = [sys.executable, "-m", "tests.chaos.edit_once"]
    with LoopbackServer(latency=latency, remember=False) as server:
        run = [*command, server.url, str(folder)]
        code, seconds, said = stopped(run, folder, lambda: bool(server.requests), after, number)
        lines, requests = journal(folder), server.requests
        lost = server.answered - sum(line["t"] == "got" for line in lines)
        left = in_flight(lines)
    with LoopbackServer(remember=False) as server:
        subprocess.run([*command, server.url, str(folder)], cwd=ROOT, check=True, capture_output=True)
        twice = requests + server.requests - _ROWS
    what = f"API, {latency:g} s a reply, after {after:.1f} s, {requests} requests"
    return Stop(what, number, code, seconds, latency if requests else 0.0, lost + left, twice, said if lines else "")


def stop_local(folder: Path, after: float, number: signal.Signals, *, drawing: bool) -> Stop:
    """One run of a local model, which loads, draws and commits; the time begins with its journal, or first picture."""
    script = [sys.executable, str(ROOT / "gpu_pipelines/image_editing_pipeline.py"), "--serving_type", "demo"]
    cache = folder / "cache"
    pictures, first_line = cache / "target_images", cache / ".dataflow" / "journal.jsonl"

    def begun() -> bool:
        return any(pictures.rglob("*.png")) if drawing else first_line.exists()

    code, seconds, said = stopped([*script, "--cache_path", str(cache)], folder, begun, after, number)
    signalled = time.time() - seconds
    waited = max([each.stat().st_mtime - signalled for each in pictures.rglob("*.png")], default=0.0)
    lines = journal(folder)
    got = sum(line["t"] == "got" for line in lines)
    lost = whole_pictures(cache / "target_images") - got + in_flight(lines) + unfinished(cache)
    committed = (cache / "dataflow_cache_step_step1.jsonl").exists()
    stage = "committed" if committed else f"{got} drawn" if got else "loading" if lines else "starting"
    where = f"local, after {after:.1f} s, {stage}"
    return Stop(where, number, code, seconds, max(0.0, waited), lost, 0, said if lines else "")


def run_all(kind: str, count: int) -> list[Stop]:
    """So many stops of a kind."""
    rng = random.Random(count)
    with (
        tempfile.TemporaryDirectory() as name,
        ThreadPoolExecutor(AT_ONCE[kind]) as threads,
    ):
        calls: list[Callable[[], Stop]] = []
        for n in range(count):
            folder, number = Path(name) / str(n), SIGNALS[n % 3]
            folder.mkdir()
            latency = LATENCIES[n // 3 % 3]
            if kind == "api":
                after = rng.uniform(0.0, latency * _ROWS / WIDTH + 1)
                calls.append(partial(stop_api, folder, latency, after, number))
            else:
                after = rng.uniform(0.0, _DRAWING if n % 2 else _LOADING)
                calls.append(partial(stop_local, folder, after, number, drawing=n % 2 > 0))
        return list(threads.map(lambda call: call(), calls))


def tell(stops: Sequence[Stop]) -> str:
    """The figures, in a few lines."""
    ended = [stop for stop in stops if stop.code]
    codes = {number.name: sorted({stop.code for stop in ended if stop.number == number}) for number in SIGNALS}
    free = [stop.seconds for stop in ended if not stop.waited]
    waited = [stop.seconds - stop.waited for stop in ended if stop.waited]
    where = re.sub(r"[\[\]']", "", str(sorted(stop.what for stop in ended)))
    return (
        f"{len(stops)} stops, {len(stops) - len(ended)} after the end; codes {codes};"
        f" with nothing in flight at most {max(free, default=0):.1f} s,"
        f" else the reply and {max(waited, default=0):.1f} s;"
        f" {sum(stop.lost for stop in stops)} answers lost, {sum(stop.twice for stop in stops)} paid twice\n{where}"
    )


if __name__ == "__main__":
    found = run_all(sys.argv[1], int(sys.argv[2]))
    sys.stdout.write(tell(found) + "\n")
    sys.stdout.writelines(f"{fault}\n" for stop in found for fault in stop.faults)
    sys.stdout.flush()
    os._exit(any(stop.faults for stop in found))

"""Measures `DF_EXECUTOR=ray` on clusters on this machine against Ray Data, and the cost of failures.

python -m benchmarks.ray_scale               # one table, within four minutes
python -m benchmarks.ray_scale --failures 5  # that many rounds of each failure, within six

Rates are those of whole steps, from their input file to their output file: journal and both ends are in them. The
worker of 50 ms sleeps, one call at a time with one ahead, as local models have it: what is measured is the way there
and back, and not the machine's cores. Replicas are loaded before a step is timed. Ray Data runs the same worker in an
actor pool of the same size; its start is in its first figure and not in its second.
"""

import argparse
import logging
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0")
import ray

from dataflow.core.records import Answer, Job
from dataflow.core.worker import Batching, Limits, Resources
from dataflow.executors.ray import RayExecutor
from dataflow.flow.runner import run_step
from tests.kit.far import SECONDS, Far
from tests.kit.flow import journal_entries, prompts_storage, recipe

ROOT = Path(__file__).parent.parent
REPLICAS, ROUNDS = (1, 2, 4), 3
RUN = [sys.executable, str(ROOT / "tests/executors/a_run.py")]


class Light(Far):
    """A worker that takes so little that many replicas fit on few cores."""

    def resources(self, gpus: int) -> Resources:
        return Resources(cpus=0.1)


class Instant(Light):
    """Answers at once."""

    def __init__(self, jobs: int) -> None:
        super().__init__()
        self.limits, self.batching = Limits(width=16), Batching(max_batch=jobs)

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        return [Answer(text=job.request.prompt) for job in batch]


class Fifty:
    """The worker of 50 ms for Ray Data."""

    def __call__(self, batch: Any) -> Any:
        time.sleep(SECONDS)
        return {**batch, "done": [time.monotonic()] * len(batch["item"])}


def step(executor: RayExecutor, worker: Far, rows: int, folder: Path) -> tuple[float, float]:
    """Rows a second, and milliseconds of the driver's CPU a row."""
    folder.mkdir()
    storage = prompts_storage(folder, [f"p{n}" for n in range(rows)])
    began, cpu = time.monotonic(), time.process_time()
    summary = run_step(recipe(worker), storage.step(), executor=executor)
    took, cpu = time.monotonic() - began, time.process_time() - cpu
    assert (summary.rows, summary.failed) == (rows, 0)
    return rows / took, 1000 * cpu / rows


def measured(worker: Far, replicas: int, rows: int, folder: Path) -> tuple[list[float], float]:
    """The rates of a few steps, once all replicas are there; milliseconds of CPU a row."""
    os.environ["DF_RAY_REPLICAS"] = str(replicas)
    executor = RayExecutor()
    pool = executor.pool(worker)
    step(executor, worker, 4 * replicas, folder / "warm")
    while pool.worker.limits.width < replicas * worker.limits.width:
        time.sleep(0.1)
    taken = [step(executor, worker, rows, folder / str(round_)) for round_ in range(ROUNDS)]
    executor.close()
    return [rate for rate, _ in taken], median(cpu for _, cpu in taken)


def ray_data(replicas: int, rows: int) -> tuple[float, float]:
    """Rows a second with its start and without."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    pool = ray.data.ActorPoolStrategy(size=replicas)
    began = time.monotonic()
    made = ray.data.from_items(list(range(rows))).map_batches(Fifty, batch_size=1, compute=pool, num_cpus=0.1)
    done = sorted(row["done"] for row in made.iter_rows())
    return rows / (time.monotonic() - began), (rows - 1) / (done[-1] - done[0])


def line(what: str, figure: str, ideal: str, share: str = "") -> None:
    print(f"{what:<46} {figure:<30} {ideal:<16} {share}", flush=True)


def show(what: str, rates: Sequence[float], ideal: float, more: str = "") -> float:
    rate = median(rates)
    said = f"{rate:,.1f} ({min(rates):,.1f} to {max(rates):,.1f}) rows/s{more}"
    line(what, said, f"{ideal:,.0f}", f"{rate / ideal:.0%}")
    return rate


def scale(folder: Path) -> None:
    rates = {}
    for replicas in REPLICAS:
        within = folder / f"slow-{replicas}"
        within.mkdir()
        taken, _ = measured(Light(), replicas, 150 * replicas, within)
        rates[replicas] = show(f"worker of 50 ms, {replicas} replicas", taken, replicas / SECONDS)
    line("4 replicas beside 1", f"{rates[4] / rates[1]:.2f}x", "4x", f"{rates[4] / rates[1] / 4:.0%}")
    for jobs, rows, goal in ((1, 2_000, 600), (16, 12_000, 3_500)):
        within = folder / f"instant-{jobs}"
        within.mkdir()
        taken, cpu = measured(Instant(jobs), 4, rows, within)
        show(f"instant worker, {jobs} jobs a call (goal {goal:,})", taken, goal, f", {cpu:.2f} ms CPU")
    for replicas in (1, 4):
        with_start, without = ray_data(replicas, 60 * replicas)
        show(f"Ray Data, {replicas} actors, its start included", [with_start], replicas / SECONDS)
        show(f"Ray Data, {replicas} actors, first row to last", [without], replicas / SECONDS)


class Watch(threading.Thread):
    """Counts the answers of a journal, and the longest time in which none came."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._path = folder / "cache/.dataflow/journal.jsonl"
        self.answers, self.gap, self.ended = 0, 0.0, False

    def run(self) -> None:
        since = time.monotonic()
        while not self.ended:
            found = self._path.read_bytes().count(b'"t":"got"') if self._path.exists() else 0
            now = time.monotonic()
            if self.answers:
                self.gap = max(self.gap, now - since)
            if found != self.answers:
                self.answers, since = found, now
            time.sleep(0.02)

    def until(self, answers: int) -> float:
        """Wait for a number of answers; returns the time at which they were there."""
        while self.answers < answers:
            time.sleep(0.02)
        return time.monotonic()


def asked_twice(folder: Path, rows: int) -> int:
    """The number of requests beyond one for each row; checks that each row has one answer."""
    entries = journal_entries(folder / "cache")
    got = Counter(entry["id"] for entry in entries if entry["t"] == "got")
    assert (len(got), max(got.values())) == (rows, 1), "a row was lost, or answered twice"
    return sum(entry["t"] == "start" for entry in entries) - rows


def broken(worker: Far, rows: int, folder: Path, harm: Callable[[], None]) -> tuple[int, float, float]:
    """Break a step with four replicas: requests sent twice, longest gap in seconds, rows a second at the end."""
    folder.mkdir()
    os.environ["DF_RAY_REPLICAS"] = "4"
    executor = RayExecutor()
    pool = executor.pool(worker)
    step(executor, worker, 16, folder / "warm")
    while pool.worker.limits.width < 4 * worker.limits.width:
        time.sleep(0.1)
    watch, storage = Watch(folder), prompts_storage(folder, [f"p{n}" for n in range(rows)])
    running = threading.Thread(target=lambda: run_step(recipe(worker), storage.step(), executor=executor))
    running.start()
    watch.start()
    watch.until(60)
    harm()
    late = watch.until(rows - 80)
    rate = 70 / (watch.until(rows - 10) - late)
    watch.ended = True
    running.join()
    executor.close()
    return asked_twice(folder, rows), watch.gap, rate


def kill_an_actor() -> None:
    ray.kill(ray.get_actor(next(name for name in ray.util.list_named_actors() if "Far()" in name)))


def drive(folder: Path, rows: int) -> "subprocess.Popen[bytes]":
    env = {**os.environ, "PYTHONPATH": str(ROOT), "DF_EXECUTOR": "ray", "DF_RAY_REPLICAS": "2"}
    with (folder / "said").open("ab") as said:
        return subprocess.Popen([*RUN, str(folder), str(rows)], env=env, stderr=said)


def stop_the_driver(folder: Path, number: signal.Signals) -> tuple[int, int, float]:
    """The exit code, asked twice by the run that goes on, and seconds until the replicas were gone."""
    folder.mkdir()
    rows, process = 60, drive(folder, 60)
    watch = Watch(folder)
    watch.start()
    watch.until(20)
    watch.ended = True
    actors = {int(entry["model"]) for entry in journal_entries(folder / "cache") if entry.get("model")}
    process.send_signal(number)
    code, began = process.wait(), time.monotonic()
    while any(Path(f"/proc/{pid}").exists() for pid in actors):
        time.sleep(0.05)
    gone = time.monotonic() - began
    assert drive(folder, rows).wait() == 0
    return code, asked_twice(folder, rows), gone


@contextmanager
def nodes() -> Any:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    cluster.add_node(num_cpus=2)
    os.environ["RAY_ADDRESS"] = cluster.address
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def fail(folder: Path, rounds: int) -> None:
    with nodes() as cluster:
        second = [cluster.add_node(num_cpus=2)]

        def swap() -> None:
            cluster.remove_node(second.pop())
            second.append(cluster.add_node(num_cpus=2))

        for number in range(1, rounds + 1):
            twice, gap, _ = broken(Far(), 300, folder / f"actor-{number}", kill_an_actor)
            line(f"actor killed, round {number}", f"0 lost, {twice} asked twice", f"gap {gap:.2f} s")
            twice, gap, rate = broken(Far(), 900, folder / f"node-{number}", swap)
            said, more = f"0 lost, {twice} asked twice", f"{rate:.0f} of 80 rows/s at the end"
            line(f"node removed, another joins, round {number}", said, f"gap {gap:.2f} s", more)
            for sent in (signal.SIGKILL, signal.SIGTERM):
                code, twice, gone = stop_the_driver(folder / f"{sent.name}-{number}", sent)
                line(
                    f"driver: {sent.name}, round {number}", f"code {code}, {twice} asked twice", f"gone in {gone:.1f} s"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--failures", type=int, default=0, metavar="ROUNDS")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, ray {version('ray')}")
        if given.failures:
            fail(Path(folder), given.failures)
        else:
            os.environ.setdefault("RAY_ADDRESS", "local")
            line("what", "measured", "ideal, or goal", "share")
            scale(Path(folder))
    print(f"{time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

"""Workers on a real Ray cluster: the rows of a run on this machine, whatever replicas and nodes come and go."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dataflow.core.worker import Resources
from dataflow.errors import ConfigError
from dataflow.flow.summary import Summary
from dataflow.pools.executor import close_pools, default_executor
from dataflow.pools.machine import Machine
from dataflow.serving.local_image_gen_serving import LocalImageGenServing
from dataflow.shards import merge
from tests.kit.clustered import answered, ask, asked, processes, run
from tests.kit.far import Far
from tests.kit.flow import journal_entries
from tests.kit.workers import Echo, until

if TYPE_CHECKING:
    from dataflow.executors.ray import RayExecutor

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600), pytest.mark.usefixtures("cluster")]
ROOT = Path(__file__).parents[2]
RUN = [sys.executable, str(Path(__file__).with_name("a_run.py"))]


def begin(folder: Path, rows: int) -> subprocess.Popen[bytes]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "said").open("wb") as said:
        return subprocess.Popen([*RUN, str(folder), str(rows)], env=env, stderr=said)


def test_rows_order_and_ids_are_those_of_a_run_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for name in ("ray", "local"):
        monkeypatch.setenv("DF_EXECUTOR", name)
        folder = tmp_path / name
        folder.mkdir()
        assert run(folder, [f"p{n % 50}" for n in range(60)]).failed == 0
        files.append((folder / "cache/dataflow_cache_step_step1.jsonl").read_bytes())
        processes = {entry["model"] for entry in journal_entries(folder / "cache") if entry["t"] == "got"}
        assert len(processes) == (2 if name == "ray" else 1)
    assert files[0] == files[1]


def test_shards_on_a_cluster_merge_into_the_rows_of_a_run_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [f"p{n % 20}" for n in range(30)]
    sharded, whole = tmp_path / "sharded", tmp_path / "whole"
    for folder in (sharded, whole):
        folder.mkdir()
    for shard in ("0/2", "1/2"):
        monkeypatch.setenv("DF_SHARD", shard)
        assert run(sharded, prompts).rows
    monkeypatch.delenv("DF_SHARD")
    merge(sharded / "cache")
    monkeypatch.setenv("DF_EXECUTOR", "local")
    run(whole, prompts)
    step = "cache/dataflow_cache_step_step1.jsonl"
    assert (sharded / step).read_bytes() == (whole / step).read_bytes()
    assert run(sharded, prompts).requests == 0


def test_workers_that_may_not_leave_stay_in_the_driver(executor: "RayExecutor") -> None:
    worker = Echo()
    assert executor.pool(worker).worker is worker
    assert executor.machine(worker) is None


def test_a_node_that_goes_loses_no_row_and_another_joins(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setenv("DF_RAY_REPLICAS", "4")
    monkeypatch.setenv("DF_RAY_CPUS", "2")
    lost = cluster.add_node(num_cpus=4)
    cluster.wait_for_nodes()
    summaries: list[Summary] = []
    prompts = [f"p{n}" for n in range(400)]
    running = threading.Thread(target=lambda: summaries.append(run(tmp_path, prompts)))
    running.start()
    until(lambda: answered(tmp_path) > 40)
    until(lambda: len(processes(tmp_path)) == 4)
    cluster.remove_node(lost)
    joined = cluster.add_node(num_cpus=4)
    running.join()
    assert (summaries[0].rows, summaries[0].failed) == (400, 0)
    assert asked(tmp_path).total() - 400 <= 2 * Far.limits.width
    assert len(processes(tmp_path)) == 6, "two more replicas have answered, on the node that joined"
    close_pools()
    cluster.remove_node(joined)
    assert ray.is_initialized()


def test_a_preset_is_decided_by_the_clusters_cards_and_not_by_the_drivers(
    cluster: Any, tmp_path: Path, executor: "RayExecutor", monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataflow.demo.packaged import MODEL
    from dataflow.io import ImageIO

    def serving() -> LocalImageGenServing:
        return LocalImageGenServing(ImageIO(str(tmp_path)), hf_model_name_or_path=MODEL, preset="fast")

    class Sharing(Far):
        def resources(self, gpus: int) -> Resources:
            return Resources(gpus=0.5)

    ask(Far(), "a", executor=executor)
    monkeypatch.setenv("DF_RAY_GPUS", "1")  # which an autoscaler would bring
    with pytest.raises(ConfigError, match="the cluster has no GPU yet"):
        executor.machine(serving())
    monkeypatch.delenv("DF_RAY_GPUS")
    node = cluster.add_node(num_cpus=1, num_gpus=1, resources={"accelerator_type:H100": 1})
    cluster.wait_for_nodes()
    try:
        assert executor.machine(serving()) == Machine("cuda", (9, 0))
        assert serving().fingerprint()["levers"] == {"fp8": "rowwise"}
        sharing = Sharing()
        (answer,) = ask(sharing, "a", executor=executor)
        assert answer.error is None, "a GPU that joined after the first pool was placed counts"
        held = executor.placement_of(sharing).gpus
        assert held == 1, "pools hold the cluster's GPUs, as those of a machine"
    finally:
        cluster.remove_node(node)
    assert default_executor().machine(Echo()) is None


def test_a_worker_of_the_script_itself_runs_and_sigterm_stops_it_as_ever(tmp_path: Path) -> None:
    process = begin(tmp_path, 100)
    until(lambda: answered(tmp_path) > 10)
    process.terminate()
    assert process.wait(60) == 143
    assert "SIGTERM" not in (tmp_path / "said").read_text(), "Ray's own handler prints registers"
    process = begin(tmp_path, 100)
    assert process.wait(120) == 0
    assert set(asked(tmp_path).values()) == {1}, "what was in flight arrived before the end"


@pytest.mark.chaos
def test_a_driver_that_is_killed_leaves_no_replica_and_asks_nothing_answered_again(tmp_path: Path) -> None:
    process = begin(tmp_path, 100)
    until(lambda: answered(tmp_path) > 10)
    (pid, *_) = [int(str(each)) for each in processes(tmp_path)]
    process.kill()
    process.wait()
    until(lambda: not Path(f"/proc/{pid}").exists())
    kept = answered(tmp_path)
    assert begin(tmp_path, 100).wait(120) == 0
    assert kept < 100
    assert asked(tmp_path).total() - 100 <= 2 * Far.limits.width


def test_the_demo_and_its_accept_loop_make_the_pictures_of_a_run_on_this_machine(tmp_path: Path) -> None:
    made = []
    for name in ("local", "ray"):
        folder = tmp_path / name
        folder.mkdir()
        script = ROOT / "gpu_pipelines/image_editing_pipeline.py"
        command = [sys.executable, str(script), "--serving_type", "demo", "--tries", "2"]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "DF_EXECUTOR": name, "DF_RAY_REPLICAS": "1"}
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        kept = {place: path.read_bytes() for place, path in files.items() if path.suffix in (".png", ".jsonl")}
        made.append({place: content.replace(str(folder).encode(), b"here") for place, content in kept.items()})
    steps = [{place: content for place, content in each.items() if ".dataflow" not in place} for each in made]
    assert len([place for place in steps[0] if place.endswith(".png")]) > 3
    assert steps[0] == steps[1]

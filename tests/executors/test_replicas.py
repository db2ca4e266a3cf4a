"""All replicas of a worker end together when nobody asks, and are made anew for the next run."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dataflow.executors.ray import RayExecutor

from dataflow.errors import ConfigError
from dataflow.pools.executor import close_pools
from tests.kit.clustered import answered, ask, asked, run
from tests.kit.far import Far
from tests.kit.workers import until

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600), pytest.mark.usefixtures("cluster")]


def test_replicas_of_a_worker_that_is_not_asked_end_and_come_back(executor: "RayExecutor") -> None:
    import ray.util

    worker = Far()
    (first,) = ask(worker, "a", executor=executor)
    assert [name for name in ray.util.list_named_actors() if name.startswith("Far() ")]
    until(lambda: not ray.util.list_named_actors())
    (again,) = ask(worker, "b", executor=executor)
    assert (first.text[:2], again.text[:2]) == ("a/", "b/")
    assert again.model != first.model
    assert worker.licence == "apache-2.0", "what a replica finds out where it runs comes back"


def test_a_run_after_one_that_failed_in_the_middle_has_replicas_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, mended = tmp_path / "gone", tmp_path / "mended"

    class Fragile(Far):
        def settle(self) -> None:
            if gone.exists() and not mended.exists():
                raise ConfigError("the weights are gone")

    monkeypatch.setenv("DF_RAY_REPLICAS", "1")
    worker, prompts = Fragile(), [f"p{n}" for n in range(12)]
    prompts[6] = f"die {gone}"
    with pytest.raises(ConfigError, match=r"node \S+: the weights are gone"):
        run(tmp_path, prompts, worker)
    kept = answered(tmp_path)
    mended.touch()
    summary = run(tmp_path, prompts, worker)
    assert (summary.rows, summary.failed) == (12, 0)
    assert 0 < kept < 12
    assert asked(tmp_path).total() - 12 <= 2 * Far.limits.width


def test_a_model_that_nobody_asks_makes_room_for_one_that_waits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from dataflow.executors.ray import RayExecutor

    close_pools()
    monkeypatch.setenv("DF_RAY_REPLICAS", "1")
    monkeypatch.setenv("DF_RAY_CPUS", "4")  # all that the cluster has
    executor = RayExecutor(idle=100_000)
    try:
        for worker in (Far(), Far()):
            (answer,) = ask(worker, "a", executor=executor)
            assert answer.error is None
    finally:
        executor.close()
    assert "Far() waits until the cluster has room for a replica (GPUs: 0, cores: 4)" in caplog.text

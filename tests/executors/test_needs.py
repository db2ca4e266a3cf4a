"""What replicas take of a cluster, and how many are asked for; no cluster is started for it."""

import pytest

from dataflow.core.worker import Resources
from dataflow.errors import ConfigError
from dataflow.executors.needs import needs_of, wanted
from tests.kit.far import Far


class OnCard(Far):
    def resources(self, gpus: int) -> Resources:
        return Resources(gpus=1.0, cpus=2.0) if gpus else Resources(cpus=2.0)


NODES = [{"CPU": 8.0, "GPU": 4.0}, {"CPU": 4.0, "GPU": 3.0}, {"CPU": 1.0}]


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("DF_RAY_REPLICAS", "many", "DF_RAY_REPLICAS=many: give a number above 0"),
        ("DF_RAY_REPLICAS", "0.5", "DF_RAY_REPLICAS=0.5: give a whole number"),
        ("DF_RAY_REPLICAS", "2.5", "DF_RAY_REPLICAS=2.5: give a whole number"),
        ("DF_RAY_CPUS", "0", "DF_RAY_CPUS=0: give a number above 0"),
        ("DF_RAY_GPUS", "nan", "DF_RAY_GPUS=nan: give a number above 0"),
        ("DF_RAY_GPUS", "1.5", "DF_RAY_GPUS=1.5: give a share of one GPU, or whole ones"),
    ],
)
def test_a_setting_that_no_replica_can_have_is_refused(
    name: str, given: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, given)
    with pytest.raises(ConfigError, match=said):
        wanted(needs_of(OnCard(), 7), NODES)


def test_a_replica_takes_what_its_worker_says_unless_the_environment_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert needs_of(OnCard(), 7) == Resources(gpus=1.0, cpus=2.0)
    assert needs_of(OnCard(), 0) == Resources(cpus=2.0)
    monkeypatch.setenv("DF_RAY_GPUS", "0.5")
    monkeypatch.setenv("DF_RAY_CPUS", "4")
    assert needs_of(OnCard(), 0) == Resources(gpus=0.5, cpus=4.0), "the autoscaler brings the GPU"
    assert needs_of(Far(), 7) == Resources(cpus=4.0), "a worker that runs on cores takes no GPU"


@pytest.mark.parametrize(
    ("needs", "replicas"),
    [
        (Resources(gpus=1.0, cpus=1.0), 7),
        (Resources(gpus=1.0, cpus=2.0), 6),  # the second node has the cores of two
        (Resources(gpus=1.0, cpus=0.0), 7),
        (Resources(gpus=2.0, cpus=1.0), 3),  # two of four cards and one of three
        (Resources(gpus=0.5, cpus=0.5), 14),
        (Resources(gpus=0.7, cpus=0.5), 7),  # a card has room for one
        (Resources(gpus=16.0, cpus=1.0), 1),  # it waits for a node that has so many
        (Resources(cpus=1.0), 3),
        (Resources(cpus=8.0), 1),
        (Resources(cpus=64.0), 1),
    ],
)
def test_replicas_are_as_many_as_the_nodes_have_room_for(needs: Resources, replicas: int) -> None:
    assert wanted(needs, NODES) == replicas


def test_the_environment_may_ask_for_more_replicas_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DF_RAY_REPLICAS", "40")
    assert wanted(Resources(gpus=1.0), NODES) == 40

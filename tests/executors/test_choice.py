"""Which executor is chosen, and what a cluster's cards are said to do; no cluster is started for it."""

import logging
import sys

import pytest

from dataflow.core.records import Request
from dataflow.errors import ConfigError
from dataflow.executors.cards import machine_of
from dataflow.pools.executor import call_directly
from dataflow.pools.machine import Machine
from tests.kit.workers import Echo


def test_without_ray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("dataflow.executors.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    monkeypatch.setitem(sys.modules, "dataflow.executors.ray", None)
    monkeypatch.delitem(sys.modules, "dataflow.executors.ray")
    monkeypatch.setenv("DF_EXECUTOR", "ray")
    with pytest.raises(ConfigError, match=r"DF_EXECUTOR=ray needs the library ray: pip install 'dataflow-mm\[ray\]'"):
        call_directly(Echo(), [Request("a", makes="text")])


@pytest.mark.parametrize(
    ("resources", "machine"),
    [
        (["CPU", "GPU", "accelerator_type:H100", "accelerator_type:L4"], Machine("cuda", (8, 9))),
        (["accelerator_type:A100", "accelerator_type:A100-80G"], Machine("cuda", (8, 0))),
        (["accelerator_type:RTX-PRO-6000"], Machine("cuda", (12, 0))),
        (["accelerator_type:AMD-Instinct-MI300X-OAM"], Machine("rocm")),
    ],
)
def test_the_least_able_card_of_a_cluster_decides(resources: list[str], machine: Machine) -> None:
    assert machine_of(resources) == machine


@pytest.mark.parametrize(
    ("resources", "said"), [(["accelerator_type:X1", "accelerator_type:H100"], "(X1)"), (["GPU"], "Ray lists no type")]
)
def test_cards_that_are_not_known_promise_nothing_and_are_named(
    resources: list[str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert machine_of(resources) == Machine("cuda", (0, 0))
    assert said in caplog.text

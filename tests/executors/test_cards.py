"""What a cluster's cards can do, by the names under which Ray lists them; no cluster is started for it."""

import logging

import pytest

from dataflow.executors.cards import machine_of
from dataflow.pools.machine import Machine


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

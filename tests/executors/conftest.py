"""A real cluster of Ray on this machine, started once a module."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

if TYPE_CHECKING:
    from dataflow.executors.ray import RayExecutor

SETTINGS = {
    "RAY_AUTH_MODE": "disabled",  # by default a driver needs the token of whoever started the cluster
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of a later version, and a warning is an error here
    "DF_EXECUTOR": "ray",
    "DF_RAY_REPLICAS": "2",
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without cores, so that nothing runs beside the driver, and a node with four."""
    with mock.patch.dict(os.environ, SETTINGS):
        import ray
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        os.environ["RAY_ADDRESS"] = made.address
        made.add_node(num_cpus=4)
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def executor() -> Iterator["RayExecutor"]:
    """One whose replicas end soon after their last call."""
    from dataflow.executors.ray import RayExecutor

    made = RayExecutor(idle=0.3)
    yield made
    made.close()

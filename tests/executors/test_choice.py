"""The executor that the environment names is chosen; no cluster is started for it."""

import sys

import pytest

from dataflow.core.records import Request
from dataflow.errors import ConfigError
from dataflow.pools.executor import call_directly
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

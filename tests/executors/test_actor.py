"""A replica's end on its node refuses what would go wrong there."""

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dataflow.errors import ConfigError
from tests.kit.clustered import ask
from tests.kit.far import Far

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600), pytest.mark.usefixtures("cluster")]


def test_a_node_without_the_drivers_disk_is_refused_by_name(tmp_path: Path) -> None:
    opened = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(ConfigError, match=rf"sees another /proc/self/fd/{opened} than the driver.*all nodes share"):
            ask(Far(save_path=f"/proc/self/fd/{opened}"), "a")  # each process has another folder there, or none
    finally:
        os.close(opened)
    assert list(tmp_path.iterdir()) == []


def test_a_node_with_other_versions_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"node .* has pillow .* instead of 0\.1: install on all nodes"):
        ask(Far(libraries={"pillow": "0.1"}), "a")
    ask(Far(libraries={"pytest": f"{pytest.__version__}+cpu"}), "a")


def test_what_a_replica_cannot_load_is_told_as_it_was_said() -> None:
    class Damaged(Far):
        def settle(self) -> None:
            raise ConfigError("the weights are cut short")

    with pytest.raises(ConfigError, match=r"node \S+: the weights are cut short"):
        ask(Damaged(), "a")


def test_a_class_that_nodes_cannot_import_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    only_here = ModuleType("only_here")
    monkeypatch.setitem(sys.modules, "only_here", only_here)

    class Own(Far):
        pass

    Own.__module__, Own.__qualname__ = "only_here", "Own"
    monkeypatch.setattr(only_here, "Own", Own, raising=False)
    with pytest.raises(ConfigError, match=r"node \S+: .*No module named 'only_here'\. Install on all nodes"):
        ask(Own(), "a")

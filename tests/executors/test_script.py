"""A script on a cluster that Ray starts for it: the one test of Ray without the marker, for five seconds of a core."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.executors.conftest import SETTINGS

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_an_unchanged_script_makes_the_rows_of_a_run_on_this_machine(tmp_path: Path) -> None:
    files = []
    for name in ("local", "ray"):
        folder = tmp_path / name
        folder.mkdir()
        env = {**os.environ, **SETTINGS, "DF_EXECUTOR": name, "RAY_ADDRESS": "local", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, str(Path(__file__).with_name("a_run.py")), str(folder), "12"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        files.append((folder / "cache/dataflow_cache_step_step1.jsonl").read_bytes())
    assert files[0] == files[1]


@pytest.mark.ray
def test_a_driver_on_a_machine_of_its_own_is_refused(tmp_path: Path) -> None:
    env = {**os.environ, **SETTINGS, "RAY_ADDRESS": "ray://127.0.0.1:10001", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("a_run.py")), str(tmp_path), "12"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert "shares the disk of the nodes. Give the address of the head" in done.stderr


@pytest.mark.ray
def test_a_cluster_whose_head_is_gone_is_named_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    env = {**os.environ, **SETTINGS, "RAY_ADDRESS": f"127.0.0.1:{port}", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("a_run.py")), str(tmp_path), "12"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert f"cannot connect to Ray at 127.0.0.1:{port}: [Errno 111] Connection refused" in done.stderr

"""A script on a cluster that Ray starts for it: the one test of Ray without the marker, for five seconds of a core."""

import os
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

"""How a process ends after a run that was stopped."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("error", "last"),
    [
        ("ConfigError", "error: it is wrong"),
        ("StepFailed", "error: it is wrong"),
        ("RuntimeError", "RuntimeError: it is wrong"),
        ("WorkerDied", "dataflow.errors.WorkerDied: it is wrong"),
    ],
)
def test_a_script_ends_in_one_line_where_its_user_must_act_and_else_with_its_traceback(error: str, last: str) -> None:
    script = f"""
import sys
from dataflow.core.process_exit import ends_in_one_line
from dataflow.errors import ConfigError, StepFailed, WorkerDied
assert sys.excepthook is sys.__excepthook__
with ends_in_one_line():
    raise {error}("it is wrong")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, last)
    assert ("Traceback" in done.stderr) == (not last.startswith("error: "))

"""An example pipeline run in this process: torch is loaded once for all tests, not once for each."""

import os
import runpy
import signal
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent.parent / "gpu_pipelines"


def run_here(patch: pytest.MonkeyPatch, script: str, folder: Path, *flags: str) -> int:
    """Run a script as `python script flags` would in an environment without DF_ variables; the exit code.

    A signal to this process, such as that of `timeout pytest`, is taken by the pipeline that runs at that moment,
    which ends in order: without a word here it would look like a failure of the test.
    """
    for name in [name for name in os.environ if name.startswith("DF_")]:
        patch.delenv(name)
    for name in ("OMP_NUM_THREADS", "TRANSFORMERS_VERBOSITY"):  # a demo sets those that are missing
        patch.setenv(name, os.environ.get(name, "1" if name.startswith("OMP") else "error"))
    patch.chdir(folder)
    patch.setattr(sys, "argv", [script, *flags])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    code = int(end.value.code or 0)
    if code in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        pytest.exit(f"{script} was stopped by a signal from outside", returncode=code)
    return code

"""What tests of processes share."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe: who opens one of its ends waits until somebody opens the other."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"

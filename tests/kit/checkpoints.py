"""Makes the tiny checkpoints available to tests of local models, and keeps their digests out of the home."""

from pathlib import Path

import pytest

from tests.kit.tiny import checkpoint
from tests.kit.tiny_text import text_checkpoint

__all__ = ["checkpoint", "digests_stay_with_the_test", "text_checkpoint"]


@pytest.fixture(autouse=True)
def digests_stay_with_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))

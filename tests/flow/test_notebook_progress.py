"""What a cell of a notebook shows of running steps: one line each, with a bar, renewed in place."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from dataflow.flow.counts import Counts
from dataflow.flow.notebook_progress import CellLines


class Shell(InteractiveShell):
    """A real shell that keeps what is shown."""

    def init_display_pub(self) -> None:
        self.display_pub = CapturingDisplayPublisher()


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = Shell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    yield shell.display_pub.outputs
    shell.restore_sys_module_state()
    Shell.clear_instance()


def test_a_line_is_renewed_in_place_and_its_words_are_escaped(shown: list[dict[str, Any]]) -> None:
    lines = CellLines(["step 1 <Ask>"])
    lines.say("step 1 <Ask>", "2 rows kept")
    lines.show("step 1 <Ask>", Counts(rows_in=4, rows_done=1), "2/s")
    begun, kept, renewed = shown
    assert [line["data"]["text/plain"] for line in (begun, kept)] == [
        "step 1 <Ask>: begins",
        "step 1 <Ask>: 2 rows kept",
    ]
    assert renewed["data"] == {
        "text/plain": "step 1 <Ask>: 1/4 rows, 2/s",
        "text/html": '<progress value="1" max="4"></progress> step 1 &lt;Ask&gt;: 1/4 rows, 2/s',
    }
    assert (renewed["update"], renewed["transient"]) == (True, begun["transient"])

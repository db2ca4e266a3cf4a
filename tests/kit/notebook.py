"""Runs cells in a real kernel of a notebook, and reads what they show."""

import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import Any, Self

from jupyter_client.manager import KernelManager
from jupyter_core.utils import ensure_event_loop

ROOT = Path(__file__).parent.parent.parent
WAIT = 90.0  # seconds a cell may take


class Notebook:
    """A kernel that works in a folder, from `with` to its end.

    Args:
        folder: its working directory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manager = KernelManager()

    def __enter__(self) -> Self:
        self._manager.kernel_spec.argv[0] = sys.executable
        self._manager.start_kernel(cwd=str(self._folder))
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=WAIT)
        self.run(f"import sys; sys.path.insert(0, {str(ROOT)!r})")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        ensure_event_loop().close()  # jupyter_client leaves it open

    def run(self, code: str, *, interrupted_when: Callable[[], bool] | None = None) -> "Shown":
        """Run a cell to its end.

        Args:
            code: of the cell.
            interrupted_when: the stop button is pressed once this is true.
        """
        shown = Shown()
        over = threading.Event()

        def press_stop() -> None:
            while interrupted_when is not None and not over.wait(0.05):
                if interrupted_when():
                    self._manager.interrupt_kernel()
                    ensure_event_loop().close()  # this thread's own
                    return

        pressing = threading.Thread(target=press_stop)
        pressing.start()
        try:
            self._client.execute_interactive(code, timeout=WAIT, output_hook=shown.add)
        except Empty:
            raise AssertionError(f"the cell did not end within {WAIT} s: {shown}") from None
        finally:
            over.set()
            pressing.join()
        return shown


class Shown:
    """The output below a cell, with each renewal of a display.

    Attributes:
        text: all texts, one after another, without colours.
        html: all HTML.
    """

    def __init__(self) -> None:
        self.text = self.html = ""

    def add(self, message: dict[str, Any]) -> None:
        """Add a message that the kernel has published."""
        content = message["content"]
        data = content.get("data", {})
        said = [content.get("text", ""), data.get("text/plain", ""), *content.get("traceback", ())]
        self.text += re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(part for part in said if part)) + "\n"
        self.html += data.get("text/html", "")

    def __repr__(self) -> str:
        return f"{self.text}\n{self.html[:2000]}"

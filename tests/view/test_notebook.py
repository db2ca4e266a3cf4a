"""docs/notebooks.md in a real kernel, cell by cell, and the stop button."""

import re
from itertools import count
from pathlib import Path

import pytest

from tests.kit.loopback import Act, LoopbackServer
from tests.test_docs import ROOT

PAGE = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
CELL = re.compile(r"^```i?python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
AT_ONCE = """
with storage.overlapped():
    for made in ("once more", "and again"):
        summary = editor.run(storage.step(), output_image_key=made)
summary
"""
PICTURE = re.compile(r'<img src="data:image/jpeg;base64,([A-Za-z0-9+/=]+)"')


def test_the_page_runs_in_a_real_kernel_cell_by_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.kit.notebook import Notebook

    (tmp_path / "example_data").symlink_to(ROOT / "example_data")
    with LoopbackServer() as server:
        monkeypatch.setenv("DF_BASE_URL", server.url)
        monkeypatch.setenv("DF_API_KEY", "a-key-of-this-test")
        with Notebook(tmp_path) as notebook:
            cells = [notebook.run(block[1]) for block in CELL.finditer(PAGE)]
            whole = notebook.run("storage")
        assert server.requests == 3
    assert [cell for cell in cells if "Traceback" in cell.text] == []
    assert "step 1 PromptedImageEditGenerator: 3/3 rows, " in cells[1].text
    assert "<progress" in cells[1].html
    assert "3 rows, 0 failed" in cells[1].html
    assert len(PICTURE.findall(cells[1].html)) == 6  # before and after
    assert "3 rows kept: they have `edited_images`; overwrite=True or --overwrite asks again" in cells[2].text
    assert "edited_images" in cells[3].text
    assert "3 of 3 rows" in cells[4].text
    assert cells[4].html.count("<img ") == 6
    assert "no row failed" in cells[5].text
    assert "PromptedImageEditGenerator" in whole.html


def test_a_cell_that_the_stop_button_ended_goes_on_when_it_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.kit.notebook import Notebook

    (tmp_path / "example_data").symlink_to(ROOT / "example_data")
    later = [Act(429, {}, {"retry-after": "5"})]
    calls = count()
    with LoopbackServer(act_for=lambda asked: later[0] if later and next(calls) > 0 else None) as server:
        monkeypatch.setenv("DF_BASE_URL", server.url)
        monkeypatch.setenv("DF_API_KEY", "a-key-of-this-test")
        first, run_it, *_ = [block[1] for block in CELL.finditer(PAGE)]
        with Notebook(tmp_path) as notebook:
            notebook.run(first)
            stopped = notebook.run(run_it, interrupted_when=lambda: server.requests >= 3)
            later.clear()
            again = notebook.run(run_it)
            at_once = notebook.run(AT_ONCE)
    assert (
        "\nline 1: summary = editor.run(storage.step())\nInterrupted: stopped by the stop button with " in stopped.text
    )
    assert "run the same cell again" in stopped.text
    assert "Ctrl-C" not in stopped.text
    assert "Traceback" not in stopped.text
    assert "Traceback" not in again.text
    assert "step 1: 3 rows, 0 failed, " in again.html
    assert "2 requests sent, 1 answered before" in again.html
    assert [f"step {number} PromptedImageEditGenerator: 3/3 rows" in at_once.text for number in (2, 3)] == [True, True]
    assert "step 3: 3 rows, 0 failed" in at_once.html

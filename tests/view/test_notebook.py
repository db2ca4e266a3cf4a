"""docs/notebooks.md in a real kernel, the stop button, and what a notebook shows of a run and a cache directory."""

import re
from itertools import count
from pathlib import Path

import pytest

from dataflow.errors import Failure
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, draw, prompts_storage, write_rows
from tests.kit.loopback import Act, LoopbackServer
from tests.kit.workers import Echo, Scripted
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


def test_a_summary_shows_its_words_and_small_pictures_and_no_row_acts_on_the_page(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\x1b[31m"
    large = draw(tmp_path / "large.png", size=(2000, 1000))
    rows = [{"prompt": evil, evil: "x", "images": [str(large)] * 9, "long": "word " * 500, "gone": "gone<b>.png"}] * 5
    storage = FileStorage(str(write_rows(tmp_path / "in.jsonl", rows)), cache_path=str(tmp_path / "cache"))
    summary = Ask(Echo()).run(storage.step())
    for html in (summary._repr_html_(), storage._repr_html_()):
        pictures = PICTURE.findall(html)
        assert len(pictures) == 9  # three rows of three
        assert max(map(len, pictures)) < 8_000
        assert len(html) < 100_000
        assert "<script>" not in html
        assert "gone<b>" not in html
        assert "\x1b" not in html
        assert "…" in html
    assert "step 1: 5 rows, 0 failed" in summary._repr_html_()
    assert storage.step().number == 2  # a look moved nothing


def test_rows_show_what_the_user_says_and_why_they_failed(tmp_path: Path) -> None:
    messages = [{"role": "system", "content": "Draw."}, {"role": "user", "content": "Make it red"}]
    rows = [{"prompt": prompt, "said": messages, "boxes": [{"x": 1}]} for prompt in ("a", "refused", "lost")]
    storage = FileStorage(str(write_rows(tmp_path / "in.jsonl", rows)), cache_path=str(tmp_path / "cache"))
    failures = {"refused": [Failure("refused", "blocked <b>")], "lost": [Failure("failed", "no place at gone.png")]}
    summary = Ask(Scripted(failures)).run(storage.step())
    for html in (summary._repr_html_(), storage._repr_html_()):
        assert html.count("<td>Make it red</td>") == 3
        assert "<td>failed (blocked &lt;b&gt;)</td>" in html
        assert "<td>failed (no place at gone.png)</td>" in html
        assert "<td>[{&#x27;x&#x27;: 1}]</td>" in html
    assert "role" not in storage._repr_html_()


def test_a_prompt_shows_a_summary_and_a_storage_in_few_words(tmp_path: Path) -> None:
    storage = FileStorage("in.jsonl", "cache")
    assert repr(storage) == "FileStorage('in.jsonl', 'cache')"
    storage = prompts_storage(tmp_path, "a")
    summary = Ask(Echo()).run(storage.step())
    assert repr(summary) == str(summary)
    assert repr(storage) == f"FileStorage({storage.first_entry_file_name!r}, {storage.cache_path!r}, at step 1)"


def test_a_storage_without_a_run_and_a_dry_run_show_themselves_too(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "ab", dry_run=True)
    assert "nothing was run here yet" in storage._repr_html_()
    summary = Ask(Echo()).run(storage.step())
    assert summary._repr_html_() == f"<pre>{summary}</pre>"


def test_a_broken_step_file_is_said_and_no_traceback(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, "a")
    summary = Ask(Echo()).run(storage.step())
    storage.current.target.write_text("{broken\n")
    assert "not valid JSON" in summary._repr_html_()
    assert "not valid JSON" in storage._repr_html_()

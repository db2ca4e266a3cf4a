"""What a notebook shows of a run and of a cache directory: words, the first rows, and small pictures."""

import re
from pathlib import Path

from dataflow.errors import Failure
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask, draw, prompts_storage, write_rows
from tests.kit.workers import Echo, Scripted

PICTURE = re.compile(r'<img src="data:image/jpeg;base64,([A-Za-z0-9+/=]+)"')


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

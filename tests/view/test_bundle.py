"""The page as one file: its modules in one script, and nothing in it runs but that script."""

import json
import re
from contextlib import closing
from pathlib import Path

from dataflow.view.bundle import PAGE, bundle
from dataflow.view.catalogue import Catalogue
from dataflow.view.report import write_report
from tests.kit.judged import HELD, STEP, row_of, verdict_of, write_rows


def test_modules_are_joined_so_that_each_finds_what_it_imports() -> None:
    text = bundle({}, title="<b>&").decode()
    assert "<title>&lt;b>&amp;</title>" in text
    assert "\nimport " not in text
    assert "\nexport " not in text
    for module in PAGE.glob("*.js"):
        assert "</script" not in module.read_text()
        assert module.name == "app.js" or f'modules["{module.name}"] = ' in text


def test_nothing_in_a_report_runs_but_its_own_script(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!--"
    write_rows(
        tmp_path / f"{STEP}.jsonl", [row_of(tmp_path, 0, conversations=evil, verdict=verdict_of(2, critique=evil))]
    )
    with closing(Catalogue(tmp_path, STEP)) as opened:
        write_report(opened.read_all(), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("<script") == text.count("</script") == 2
    assert evil in json.loads(HELD.findall(text)[0])["rows"][0]["instruction"]
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy

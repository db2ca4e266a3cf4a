"""`dataflowmm view` prints an address that works, ends with Ctrl-C, and says what is missing."""

import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from dataflow.cli.main import main
from tests.kit.judged import judged_cache

VIEW = [sys.executable, "-m", "dataflow.cli.main", "view"]


def test_the_printed_address_shows_the_page_until_ctrl_c(tmp_path: Path) -> None:
    command = [*VIEW, str(judged_cache(tmp_path)), "--no_browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().partition("#")[0]
        with urlopen(address, timeout=30) as page:
            assert b"app.js" in page.read()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)
    assert (process.returncode, said[1]) == (0, "")


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    arguments = ["view", str(judged_cache(tmp_path)), "--no_browser"]
    hidden = f"import sys; sys.modules['uvicorn'] = None; from dataflow.cli.main import main; main({arguments!r})"
    done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True)
    assert "pip install 'dataflow-mm[view]'" in done.stderr


def test_a_file_to_send_needs_no_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(judged_cache(tmp_path / "run"))
    assert main(["view", folder, "--out", str(tmp_path / "report.html"), "--most", "4"]) == 0
    assert main(["view", folder, "--out", str(tmp_path / "sample.html"), "--label", "6"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{tmp_path / 'report.html'}: 4 rows, ")
    assert "edits to be labelled, some twice" in said[1]
    assert (tmp_path / "report.html").stat().st_size > 50_000


def test_no_cache_directory_is_an_error_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", str(tmp_path / "nowhere")]) == 1
    assert main(["view", str(tmp_path), "--step", "2"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith("error: ") for line in lines] == [True, True]

"""`dataflowmm view` prints an address that works, ends with Ctrl-C, and says what is missing."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from dataflow.cli.main import main
from tests.kit.judged import STEP, judged_cache

VIEW = [sys.executable, "-m", "dataflow.cli.main", "view"]
_SSH = {"SSH_CONNECTION": "10.0.0.1 5000 10.0.0.2 22"}
_SCREENS = ("SSH_CONNECTION", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def test_the_printed_address_shows_the_page_until_ctrl_c(tmp_path: Path) -> None:
    command = [*VIEW, str(judged_cache(tmp_path)), "--no_browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().partition("#")[0]
        with urlopen(address, timeout=100) as page:
            assert b"app.js" in page.read()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=100)
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


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--out", "."], "error: . is a folder: name the file to write, such as report.html"),
        (["--out", "/proc/report.html"], "error: cannot write /proc/"),
        (["--out", "r.html", "--most", "0"], "error: a report of 0 rows: give at least 1"),
        (["--label", "0"], "error: --label 0: give at least 1"),
        (["--labels", "notes.txt"], "error: notes.txt:1: not valid JSON"),
        (["--labels", "."], "error: . cannot be read (Is a directory): name another file of labels"),
        (["--output_key", "photo"], "error: the rows of dataflow_cache_step_step1 have no column `photo`; they have"),
    ],
)
def test_what_cannot_be_shown_or_written_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, flags: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("to do\n")
    assert main(["view", str(judged_cache(tmp_path / "run")), "--no_browser", *flags]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(said)


def test_a_file_in_the_place_of_the_directory_is_said_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged_cache(tmp_path)
    assert main(["view", str(tmp_path / f"{STEP}.jsonl")]) == 1
    assert "is a file: give the directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("remote", "browser", "is_forwarded"),
    [(_SSH | {"DISPLAY": ":0"}, "", True), (_SSH, "true", False), ({}, "", True)],
)
def test_a_remote_machine_opens_no_browser_and_says_how_to_reach_it(
    tmp_path: Path, remote: dict[str, str], browser: str, is_forwarded: bool
) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in _SCREENS}
    command = [*VIEW, str(judged_cache(tmp_path)), "--labels", "labels.jsonl"]
    env = kept | remote | ({"BROWSER": browser} if browser else {})
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env, cwd=tmp_path, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline()
        with urlopen(address.partition("#")[0], timeout=100):
            process.send_signal(signal.SIGINT)
        rest = process.stdout.read().splitlines()
    port = address.split("/")[2].partition(":")[2]
    assert rest[1] == "What you say of edits goes into labels.jsonl."
    told = f"On another machine, first: ssh -L {port}:127.0.0.1:{port} {os.uname().nodename}"
    assert rest[2:] == ([told] if is_forwarded else [])

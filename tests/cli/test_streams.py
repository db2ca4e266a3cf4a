"""What a command writes where nobody reads, where not every character can be written, and what no terminal may get."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.errors import InputError, plain
from tests.kit.loopback import Act, LoopbackServer

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "gpu_pipelines" / "image_editing_pipeline.py"
PICTURE = ROOT / "example_data/image_gen/image_edit/image8.png"
COMMAND = [sys.executable, "-m", "dataflow.cli.main"]


def shell(folder: Path, line: str, *command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `line`, in which "$@" is the command, with bash in a folder."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("DF_")}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}", "bash", *map(str, command)],
        cwd=folder,
        env={**known, **variables},
        capture_output=True,
        text=True,
        timeout=100,
    )


def edit(folder: Path, server: LoopbackServer, *instructions: str) -> list[object]:
    """The command that edits one picture as told, in `folder/cache`."""
    rows = [{"images": str(PICTURE), "conversations": each} for each in instructions]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ("--input", "rows.jsonl", "--api_url", server.url, "--cache_path", "cache", "--model", "nano")
    # Nothing is said of its end and price, whatever the day, nor that nobody knows how the server draws.
    return [sys.executable, SCRIPT, *flags, "--api_format", "chat"]


@pytest.mark.parametrize(
    "line",
    ['"$@" | true', '"$@" 2>&1 | true', '"$@" >&-', '"$@" >&- 2>&-', '"$@" <&- >&- 2>&-'],
    ids=["pipe", "both-in-a-pipe", "closed", "both-closed", "all-closed"],
)
def test_a_run_that_nobody_reads_does_its_work_to_the_end(tmp_path: Path, line: str) -> None:
    with LoopbackServer() as server:
        done = shell(tmp_path, line, *edit(tmp_path, server, "Tidy up.", "Rain."))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "cache/contact_sheet.png").exists()
    assert len((tmp_path / "cache/dataflow_cache_step_step1.jsonl").read_text().splitlines()) == 2


def test_a_terminal_of_ascii_gets_every_line(tmp_path: Path) -> None:
    refusal = Act(400, {"error": {"message": "内容违规…", "code": "moderation_blocked"}})
    with LoopbackServer(act_for=lambda asked: refusal if asked.prompt == "删除" else None) as server:
        command = edit(tmp_path, server, "删除", "Rain.")
        done = shell(tmp_path, '"$@"', *command, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "contact_sheet.png" in done.stdout
    for looked in (["status", "cache"], ["taxonomy"]):
        done = shell(tmp_path, '"$@"', *COMMAND, *looked, PYTHONIOENCODING="ascii")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.isascii()


@pytest.mark.parametrize("command", [["taxonomy"], ["init"], ["status", "no-cache"], ["--help"]], ids=str)
def test_a_command_into_a_closed_pipe_ends_quietly(tmp_path: Path, command: list[str]) -> None:
    done = shell(tmp_path, '"$@" 2>errors | true; cat errors', *COMMAND, *command)
    assert "Traceback" not in done.stdout
    assert "Exception ignored" not in done.stdout
    assert (command != ["init"]) or (tmp_path / "gpu_pipelines").is_dir()


def test_nothing_out_of_a_row_acts_on_a_terminal(tmp_path: Path) -> None:
    evil = "in\x1b]0;owned\x07\x1b[31m\u202e\x9b5m.png"
    (tmp_path / evil).write_bytes(b"")
    with LoopbackServer() as server:
        command = edit(tmp_path, server, "Tidy up.")
        rows = [{"images": evil, "conversations": "a\x1b[2J"}, {"images": f"no {evil}", "conversations": "b"}]
        with (tmp_path / "rows.jsonl").open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        said = [shell(tmp_path, '"$@" 2>&1', *command).stdout]
    said.append(shell(tmp_path, '"$@" 2>&1', *COMMAND, "status", "cache").stdout)
    said.append(shell(tmp_path, '"$@" 2>&1', *COMMAND, "status", evil).stdout)
    for text in said:
        assert "\\x1b" in text
        assert not set(text) & set("\x1b\x07\u202e\x9b")


def test_what_is_shown_keeps_letters_of_every_script_and_loses_what_acts() -> None:
    assert plain("改成红色 é 👩\u200d🚀\n\tnext") == "改成红色 é 👩\u200d🚀\n\tnext"
    assert plain("\x1b[31m\x7f\udc80\r") == "\\x1b[31m\\x7f\\udc80\\r"
    assert str(InputError("row \x1b[2J")) == "row \\x1b[2J"

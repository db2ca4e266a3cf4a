"""The command: its help, its exit codes, and what every command that reads rows checks first."""

from pathlib import Path

import pytest

from dataflow.cli.main import main


@pytest.mark.parametrize(
    "command",
    [
        ["view", "--no_browser"],
        ["judge", "--judge_model", "m"],
        ["calibrate", "labels.jsonl"],
        ["export", "--to", "hf", "--out", "out"],
    ],
)
def test_what_reads_rows_wants_shards_merged_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    (tmp_path / "shard-000-of-002").mkdir()
    assert main([command[0], str(tmp_path), *command[1:]]) == 1
    assert f"the shards of {tmp_path} are not merged, and this reads" in capsys.readouterr().err


COMMANDS = (
    "init",
    "status",
    "merge",
    "clean",
    "view",
    "import",
    "instruct",
    "judge",
    "calibrate",
    "export",
    "taxonomy",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"usage: dataflowmm {command}" in capsys.readouterr().out


def test_the_help_lists_the_commands_and_an_unknown_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines() if line.startswith("    ") and line[4] != " "] == [*COMMANDS]
    with pytest.raises(SystemExit) as end:
        main(["unheard"])
    assert end.value.code == 2


def test_a_mistake_is_one_line_and_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {tmp_path} is no cache directory: ")
    assert said.count("\n") == 1

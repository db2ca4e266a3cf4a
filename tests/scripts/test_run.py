"""How a script ends: its exit code, and one line for what its user must act on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.errors import ConfigError, Interrupted
from dataflow.flow.summary import Summary
from dataflow.scripts.run import run_script
from dataflow.utils.storage import FileStorage
from tests.kit.here import SCRIPTS, run_here

DONE = Summary(step=1, target="a.jsonl", rows=4)


def raising(error: BaseException) -> Callable[[], Summary]:
    def main() -> Summary:
        raise error

    return main


@pytest.mark.parametrize(
    ("summary", "code"),
    [
        (DONE, 0),
        (replace(DONE, failed=1), 3),
        (replace(DONE, short=2), 3),
    ],
)
def test_the_exit_code_says_whether_every_row_has_a_result_and_a_quota_is_met(summary: Summary, code: int) -> None:
    assert run_script(lambda: summary) == code


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("limit is 0"), 1, "error: limit is 0\n"),
        (Interrupted("stopped after 3 rows", signal_number=15), 143, "\nstopped after 3 rows\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_ends_a_script_early_is_one_line_and_its_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_script(raising(error)) == code
    assert capsys.readouterr().err == said


def test_a_mistake_in_making_the_storage_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> Summary:
        FileStorage("rows.jsonl", str(tmp_path), shard="3/3")
        return DONE

    assert run_script(main) == 1
    assert capsys.readouterr().err.startswith("error: there is no shard 3/3: ")


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
@pytest.mark.parametrize("flags", [("--shard", "3/3"), ("--api_url", "127.0.0.1:8000")])
def test_every_example_pipeline_says_what_is_wrong_in_one_line(
    script: str,
    flags: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    judge = ("--judge_model", "looker") if script.startswith("accepted") else ()
    assert run_here(monkeypatch, script, tmp_path, *flags, *judge) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []

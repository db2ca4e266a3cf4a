"""kill -9 of the accept loop: its rows and side outputs are byte for byte those of a run that nobody killed."""

import random
from pathlib import Path

import pytest

from tests.chaos.accept import accept
from tests.chaos.checks import check_journal, in_flight, journal
from tests.chaos.forking import begin

STEP = "cache/dataflow_cache_step_step1"
FILES = ("", "rejected.", "tries.", "pairs.")
ROWS = 60


def run(folder: Path, *fuse: float) -> int:
    process = begin(accept, folder, ROWS, *fuse)
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def written(folder: Path) -> list[bytes]:
    """The rows and each side, without the name of the folder."""
    files = [folder / f"{STEP}.{side}jsonl" for side in FILES]
    return [file.read_bytes().replace(bytes(folder), b"") for file in files]


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_the_accept_loop_survives_20_kills(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(whole) == 0
    answers = sum(line["t"] == "got" for line in journal(whole))
    chance, kills, lost, seen = random.Random(20), 0, 0, 0
    while run(killed, *_fuse(chance, answers, kills)) == -9:
        kills += 1
        lines = journal(killed)
        lost += in_flight(lines[seen:])
        seen = len(lines)
    assert kills == 20
    assert written(killed) == written(whole)
    assert all(written(whole)), "a side without rows shows nothing"
    starts = check_journal(killed, answers)
    assert starts - answers <= lost
    print(f"{answers} answers, {starts - answers} asked twice, {lost} in flight at kills")


def _fuse(chance: random.Random, answers: int, kills: int) -> tuple[float, ...]:
    return (chance.randint(1, answers // 25), chance.uniform(0, 0.02)) if kills < 20 else ()

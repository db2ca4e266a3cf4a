"""kill -9 of what a judge has try again: rows and side outputs are byte for byte those of a run that nobody killed."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.core.records import NANO
from dataflow.journal.journal import Journal
from tests.chaos.accept import accept
from tests.chaos.check_drawings import check_drawings
from tests.chaos.checks import check_journal, in_flight, journal
from tests.chaos.converse import converse
from tests.chaos.forking import begin
from tests.chaos.grow import compose, invert
from tests.chaos.synthesize import LIMIT, synthesize, synthesize_for

STEP = "cache/dataflow_cache_step_step1"
ROWS = 60


def run(target: Callable[..., None], folder: Path, *fuse: float | None) -> int:
    process = begin(target, folder, ROWS, *fuse)
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def written(folder: Path, sides: tuple[str, ...]) -> list[bytes]:
    """The rows and each side, without the name of the folder."""
    files = [folder / f"{STEP}.{side}jsonl" for side in ("", *sides)]
    return [file.read_bytes().replace(bytes(folder), b"") for file in files]


def paid(folder: Path) -> int:
    """Billionths that the directory has spent or may have, by its journal."""
    with Journal.opened(folder / "cache") as found:
        return found.index.money.committed


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("target", "sides"),
    [
        (accept, ("rejected.", "tries.", "pairs.")),
        (check_drawings, ("rejected.", "tries.")),
        (synthesize, ("rejected.", "tries.", "pairs.", "written.", "drawn.")),
        (converse, ("rejected.", "turns.", "rejected_turns.", "tries.", "pairs.")),
        (invert, ("rejected_inverses.", "doubtful.", "passed_over.")),
        (compose, ("rejected.", "passed_over.")),
    ],
    ids=["accept_loop", "condition_check", "quota", "sessions", "inverses", "compositions"],
)
def test_the_loops_survive_20_kills(target: Callable[..., None], sides: tuple[str, ...], tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(target, whole) == 0
    answers = sum(line["t"] == "got" for line in journal(whole))
    chance, kills, lost, seen = random.Random(20), 0, 0, 0
    while run(target, killed, *_fuse(chance, answers, kills)) == -9:
        kills += 1
        lines = journal(killed)
        lost += in_flight(lines[seen:])
        seen = len(lines)
    assert kills == 20
    assert written(killed, sides) == written(whole, sides)
    assert all(written(whole, sides)), "a side without rows shows nothing"
    starts = check_journal(killed, answers)
    assert starts - answers <= lost
    print(f"{answers} answers, {starts - answers} asked twice, {lost} in flight at kills")


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_kills_do_not_pass_the_money_of_a_quota(tmp_path: Path) -> None:
    """What was cut off may have been paid, so it is reserved: under kills a limit buys less, and never costs more."""
    whole, killed, chance = tmp_path / "whole", tmp_path / "killed", random.Random(20)
    assert run(synthesize, whole) == 0
    codes = []
    for number in range(20):
        codes.append(run(synthesize_for, killed, *_fuse(chance, 150, number)))
        assert paid(killed) <= LIMIT * NANO
    assert codes.count(-9) >= 10
    assert run(synthesize, killed) == 0
    sides = ("rejected.", "tries.", "pairs.", "written.", "drawn.")
    assert written(killed, sides) == written(whole, sides)


def _fuse(chance: random.Random, answers: int, kills: int) -> tuple[float, ...]:
    return (chance.randint(1, answers // 25), chance.uniform(0, 0.02)) if kills < 20 else ()

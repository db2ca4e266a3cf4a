"""A judge that is shown no-ops beside rows: kill -9 under a limit on money, and an outage in mid-run, change no row."""

import random
from pathlib import Path

import pytest

from dataflow.core.records import NANO, Row
from dataflow.journal.journal import Journal
from tests.chaos.accept import WIDTH
from tests.chaos.accept_watched import accept_watched
from tests.chaos.checks import check_journal, in_flight, journal
from tests.chaos.test_kill_loop import STEP, run, written
from tests.kit.flow import read_rows

SIDES = ("rejected.", "tries.", "pairs.")


def answered(folder: Path) -> dict[str, Row]:
    return {line["id"]: line for line in journal(folder) if line["t"] == "got"}


def spent(folder: Path) -> float:
    """What was spent, or may have been."""
    with Journal.opened(folder / "cache") as opened:
        money = opened.index.money
    return (money.spent + money.unsure + money.reserved) / NANO


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_20_kills_under_a_limit_change_no_row_and_never_pass_it(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(accept_watched, whole) == 0
    answers, cost = answered(whole), spent(whole)
    chance, kills, lost, seen, capped = random.Random(20), 0, 0, 0, 0
    limits: list[float | None] = [cost * share for share in (0.5, 0.7, 0.9)]
    for limit in [*limits, None]:
        code = -9
        while code == -9:
            fuse = (chance.randint(1, len(answers) // 40), chance.uniform(0, 0.02)) if kills < 20 else ()
            code = run(accept_watched, killed, limit, *fuse)
            kills += code == -9
            lines = journal(killed)
            lost += in_flight(lines[seen:])
            seen = len(lines)
            assert limit is None or spent(killed) <= limit
        assert code == 0
        capped += limit is not None
    assert kills == 20
    assert written(killed, SIDES) == written(whole, SIDES)
    found = answered(killed)
    starts = check_journal(killed, len(found))
    assert found.keys() <= answers.keys()
    no_ops = len(answers) - len(found)  # those that a kill met are not asked again
    assert starts - len(answers) <= lost
    print(
        f"{len(answers)} answers, {starts - len(found)} asked twice, {lost} in flight at kills, {no_ops} no-ops let go,"
        f" {capped} limits met, {cost:.2f} USD and {spent(killed):.2f} with what was killed"
    )


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("down_for", [0.3, 4.0], ids=["shorter_than_its_retries", "longer"])
def test_an_outage_of_the_judge_rejects_nothing_and_asks_nothing_twice(tmp_path: Path, down_for: float) -> None:
    whole, troubled = tmp_path / "whole", tmp_path / "troubled"
    assert run(accept_watched, whole) == 0
    runs = [run(accept_watched, troubled, None, 0, 0.0, 60, down_for)]
    failed = read_rows(f"{troubled / STEP}.errors.jsonl") if (troubled / f"{STEP}.errors.jsonl").exists() else []
    rejected = {row["images"][0] for row in read_rows(f"{troubled / STEP}.rejected.jsonl")}
    runs.append(run(accept_watched, troubled))
    assert runs == [0, 0]
    assert rejected <= {row["images"][0] for row in read_rows(f"{troubled / STEP}.rejected.jsonl")}
    assert written(troubled, SIDES) == written(whole, SIDES)
    check_journal(troubled, len(answered(troubled)))
    failures = sum(line["t"] == "fail" for line in journal(troubled))
    print(f"{len(failed)} rows failed in the outage, {failures} attempts in vain, at most {WIDTH} at once")

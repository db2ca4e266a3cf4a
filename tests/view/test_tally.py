"""A tally of journal lines: the same money as a run counts, steps told apart, rates."""

import random
from pathlib import Path

import pytest

from dataflow.core.records import Answer, Charge, Row
from dataflow.errors import Failure
from dataflow.journal.follow import JournalFollower
from dataflow.journal.journal import Journal
from dataflow.view.tally import StepTally, Tally


def tally_of(cache: Path) -> Tally:
    follower, tally = JournalFollower(cache), Tally()
    assert follower.has_new()
    for entry in follower.read():
        tally.enter(entry)
    return tally


def step_line(number: int, file: str, of: int = 10, at: float = 100.0) -> Row:
    return {"t": "step", "k": number, "file": file, "name": "Ask", "of": of, "at": at}


@pytest.mark.parametrize("seed", range(6))
def test_money_is_what_the_index_counts_whatever_happens(tmp_path: Path, seed: int) -> None:
    """Costs known and unknown, attempts again, requests cut off and asked again by later runs."""
    chance = random.Random(seed)
    for _ in range(4):
        with Journal.opened(tmp_path) as journal:
            for _ in range(60):
                request, most = f"{chance.randrange(40):032x}", chance.choice([0, 40_000_000])
                journal.start(request, 0, most)
                charge = chance.choice([None, Charge(None), Charge(39_000_000), Charge(0)])
                match chance.randrange(5):
                    case 0:
                        journal.fail(request, 0, Failure("retry", "busy"), again=True, charge=charge)
                    case 1:
                        journal.fail(request, 0, Failure("refused", "no"), again=False, charge=charge)
                    case 2 | 3:
                        journal.got(request, 0, Answer(text="yes"), charge)
            money, unended = journal.index.money, journal.index.count_started()
            tally = tally_of(tmp_path)
            assert tally.money == money
            assert tally.cut_off + tally.in_flight == unended


def test_steps_that_overlap_are_told_apart(tmp_path: Path) -> None:
    ids = [f"{number:032x}" for number in range(6)]
    with Journal.opened(tmp_path) as journal:
        journal.note(step_line(7, "a_step1.jsonl"))
        journal.note(step_line(8, "b_step1.jsonl"))
        for number, request in enumerate(ids):
            journal.start(request, 0, 50, step=7 if number % 3 else 8)
        for request in ids[:4]:
            journal.got(request, 0, Answer(text="yes"), Charge(10))
    tally = tally_of(tmp_path)
    first, second = tally.steps["a_step1.jsonl"], tally.steps["b_step1.jsonl"]
    assert (first.requests, first.in_flight, first.cost) == (4, 2, 20)
    assert (second.requests, second.in_flight, second.cost) == (2, 0, 20)


def test_a_later_run_goes_on_with_requests_and_cost_and_begins_the_rest_anew(tmp_path: Path) -> None:
    ids = [f"{number:032x}" for number in range(3)]
    for run in range(2):
        with Journal.opened(tmp_path) as journal:
            journal.note(step_line(1, "a_step1.jsonl", at=100.0 + run))
            for request in ids[: 1 + run]:
                journal.start(request, 0, 50, step=1)
            journal.got(ids[run], 0, Answer(text="yes"), Charge(10))
            journal.note({"t": "rows", "k": 1, "done": 1, "answered": 1, "of": 10, "failed": 0, "at": 101.0 + run})
    tally = tally_of(tmp_path)
    step = tally.steps["a_step1.jsonl"]
    assert (step.requests, step.cost, step.done, step.began) == (3, 20, 1, 101.0)
    assert (tally.run, step.run, step.in_flight, tally.cut_off) == (2, 2, 1, 0)


def test_lines_of_an_older_or_a_newer_version_are_passed_over() -> None:
    tally = Tally()
    for entry in (
        {"t": "run", "at": 5, "pid": 3},
        {"t": "start", "id": "a", "n": 0},
        {"t": "got", "id": "a", "n": 0, "pics": []},
        {"t": "rows", "k": 4, "done": 1},
        {"t": "unheard of"},
    ):
        tally.enter(entry)
    assert (tally.run, tally.pid, tally.steps, tally.priced) == (1, 3, {}, False)


def told(*notes: tuple[float, int]) -> StepTally:
    step = StepTally()
    step.begin(step_line(1, "a", at=0.0), 1)
    for at, answered in notes:
        step.tell({"of": 1000, "done": answered, "failed": 0, "answered": answered, "at": at})
    return step


def test_a_rate_is_that_of_the_last_minute() -> None:
    step = told(*((float(at), 10 * at) for at in range(2, 100, 2)), *((float(at), 980 + at) for at in range(100, 200)))
    assert step.rate(200.0) == pytest.approx(1.0, rel=0.05)


def test_the_wait_for_the_first_answer_does_not_slow_a_rate_down_for_long() -> None:
    assert told((30.0, 2)).rate(30.0) == pytest.approx(2 / 30)
    assert told((30.0, 2), (35.0, 52)).rate(35.0) == pytest.approx(10.0)


def test_slow_answers_are_counted_over_a_longer_time() -> None:
    step = told(*((90.0 * count, count) for count in range(1, 40)))
    assert step.rate(90.0 * 39 + 45) == pytest.approx(1 / 90, rel=0.1)


def test_no_rate_is_known_before_the_first_answer() -> None:
    assert told().rate(50.0) == 0
    assert StepTally().rate(50.0) == 0

"""What a journal comes to, as it shows it to whoever watches."""

import random
from pathlib import Path

import pytest

from dataflow.core.records import NANO, Answer, Charge
from dataflow.errors import Failure
from dataflow.journal.journal import Journal
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.figures import read_figures
from tests.kit.workers import until


@pytest.mark.parametrize("seed", range(6))
def test_the_totals_are_what_the_index_counts_whatever_happens(tmp_path: Path, seed: int) -> None:
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
        totals = read_figures(CacheFolder(tmp_path).totals)
        assert (totals["spent"], totals["unpriced"]) == (money.spent / NANO, money.unpriced)
        assert totals["unsure"] == (money.unsure + money.reserved) / NANO
        assert totals["in_flight"] + totals["cut_off"] == unended


def test_what_an_earlier_run_left_open_is_cut_off_until_it_is_asked_again(tmp_path: Path) -> None:
    totals = CacheFolder(tmp_path).totals
    with Journal.opened(tmp_path) as journal:
        for number in range(3):
            journal.start(f"{number:032x}", 0)
    assert read_figures(totals).items() >= {"in_flight": 3, "cut_off": 0}.items()
    with Journal.opened(tmp_path) as journal:
        journal.start(f"{0:032x}", 0)
        journal.start(f"{9:032x}", 0)
        journal.got(f"{1:032x}", 0, Answer(text="found whole"))
        until(lambda: read_figures(totals).items() >= {"in_flight": 2, "cut_off": 1}.items())

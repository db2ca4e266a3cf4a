"""Slots of rows to write: which are there at first, and which are written again."""

from collections import Counter

import pytest

from dataflow.core.records import Row
from dataflow.core.source import Ended, Settled
from dataflow.errors import Failure, UnfitAnswer
from dataflow.operators.core_text.slots import FAULT, Slot, Slots
from dataflow.operators.core_text.wanted import Wanted
from dataflow.taxonomy.taxonomy import shipped_taxonomy

UNFIT = UnfitAnswer("not_json", "it is no JSON", said="hm", earlier="refusal")


def slots(n: int = 3, *, tries: int = 2, languages: tuple[str, ...] = ("en",)) -> Slots:
    taxonomy = shipped_taxonomy()
    shares = taxonomy.shares({"remove": 2, "weather": 1})
    return Slots(Wanted(taxonomy, shares, languages, n, 0, tries, None, 0.9), ("input_text", "asked"))


def slot(of: Slots, index: int) -> Slot:
    found: Slot = of.row(index)["slot"]
    return found


def written(of: Slots, index: int, text: str, *, fault: str = "") -> Settled:
    row: Row = {"input_text": [{"content": text}], "asked": [{"content": "Do it."}], "language": "en", FAULT: fault}
    return of.settle(index, Ended([row]))


def test_operations_stand_in_the_order_of_the_mix_and_languages_take_turns() -> None:
    of = slots(6, languages=("en", "zh"))
    assert Counter(slot(of, index).operation for index in range(6)) == {"remove": 4, "weather": 2}
    briefs = [of.row(index)["brief"] for index in range(6) if slot(of, index).operation == "remove"]
    assert [each.language for each in briefs] in (["en", "zh"] * 2, ["zh", "en"] * 2)
    assert len({str(each.ideas) for each in briefs}) == 4


@pytest.mark.parametrize(("languages", "lengths"), [(1, "ls" * 2), (2, "llss")])
def test_lengths_change_once_every_language_had_its_turn(languages: int, lengths: str) -> None:
    assert "".join(Slot("remove", 0, turn).length(languages)[0] for turn in range(4)) == lengths


def test_a_fit_row_is_written_without_the_fault_of_its_first_answer() -> None:
    of = slots()
    settled = written(of, 0, "a red cup on a table", fault="refusal")
    assert [FAULT in row for row in settled.rows] == [False]
    assert (len(of), of.report()["first_faults"]) == (3, {"refusal": 1})


def test_an_unfit_answer_gives_its_slot_back_at_the_end_with_other_ideas() -> None:
    of = slots()
    assert of.settle(0, Ended(error=UNFIT)) == Settled()
    again, first = slot(of, 3), slot(of, 0)
    assert (again.operation, again.number, again.attempt) == (first.operation, first.number, 1)
    assert of.row(3)["brief"].ideas != of.row(0)["brief"].ideas


def test_a_row_that_says_the_same_gives_its_slot_back_too() -> None:
    of = slots()
    written(of, 0, "a red cup on a table")
    assert written(of, 1, "A red cup on a table.") == Settled()
    assert (len(of), of.report()["rejected"]) == (4, {"duplicate": 1})


def test_a_slot_without_a_fit_row_in_all_its_tries_is_given_up_by_name() -> None:
    of = slots()
    of.settle(0, Ended(error=UNFIT))
    error = of.settle(3, Ended(error=UNFIT)).error
    assert isinstance(error, UnfitAnswer)
    assert str(error) == "it is no JSON; no fit row in 2 tries for `remove` number 1"
    assert (error.said, len(of)) == ("hm", 4)
    assert of.report()["short"] == {"remove": 2, "weather": 1}


def test_a_refusal_is_an_unfit_answer_and_another_failure_is_left_to_the_next_run() -> None:
    of = slots()
    assert of.settle(0, Ended(error=Failure("refused", "policy"))) == Settled()
    down = Failure("failed", "nobody is there")
    assert of.settle(1, Ended(error=down)).error == down
    assert (len(of), of.report()["answers"]) == (4, {"refused": 1, "none": 1})

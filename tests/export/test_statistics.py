"""What goes out is counted record by record, and the same few records are shown in every run."""

from dataclasses import replace

from dataflow.export.records import EDITED, Caption, Image, MadeBy, Record, Turn
from dataflow.export.statistics import Model, Statistics

SOURCE = Image("/a.png", "ab" * 32, 1, 64, 48, "png")
RESULT = replace(SOURCE, by=MadeBy("f" * 32, "lab/editor", "editor-2", source_type=EDITED))
VERDICT = {"accepted": True, "score": 8.0, "judge": "j", "rubric": "r", "axes": {"following": 8.0, "naturalness": 6.5}}


def record(number: int, **columns: object) -> Record:
    captions = (Caption("do it", "en"), Caption("做吧", "zh"))
    made = Record(f"r{number}", (SOURCE,), ("source",), captions, RESULT, edit_type="object", sub_type="add")
    return replace(made, **columns)  # type: ignore[arg-type]


def counted(*records: Record) -> Statistics:
    found = Statistics()
    for each in records:
        found.add(each)
    return found


def test_each_record_is_counted_by_what_it_is_and_who_made_it() -> None:
    found = counted(record(1, licence="CC0", credit="Ann"), record(2, mask=SOURCE))
    assert (found.records, found.masks, found.conversations) == (2, 1, 0)
    assert found.operations == {("object", "add"): 2}
    assert (found.inputs, found.shapes, found.languages) == ({1: 2}, {(64, 48): 2}, {"en": 2, "zh": 2})
    assert (found.licences, found.credits) == ({"CC0": 1, "": 1}, {"Ann": 1})
    assert found.models == {Model(EDITED, "lab/editor", "editor-2", "", "", ""): 2}


def test_a_record_reaches_what_its_lowest_axis_of_any_turn_has() -> None:
    turns = tuple(
        Turn(Caption("do it", "en"), "do it", number, RESULT, {**VERDICT, "axes": {"following": number + 6.0}})
        for number in (1, 2)
    )
    found = counted(
        record(1, verdict=VERDICT, accepted=True),
        record(2, turns=turns, accepted=True),
        record(3, verdict={**VERDICT, "axes": {"following": "good"}}, accepted=True),
        record(4),
    )
    assert (found.judged, found.scored, found.scores, found.conversations) == (3, 2, 16.0, 1)
    assert found.judges == {("j", "r"): 3}
    assert [found.reaching("j", "r", at) for at in (6.0, 7.0, 7.5)] == [2, 1, 0]


def test_the_samples_are_few_and_the_same_in_any_order() -> None:
    records = [record(number) for number in range(50)]
    samples = counted(*records).samples
    assert len(samples) == 8
    numbers = [int(each.id[1:]) for each in samples]
    assert numbers == sorted(numbers)
    assert {each.id for each in counted(*records[::-1]).samples} == {each.id for each in samples}

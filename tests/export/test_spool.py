"""Records between the checks and the formats: which of them go out, to which split, and in what form to a format."""

import json
from dataclasses import replace
from pathlib import Path

from dataflow.export.records import Caption, Image, Record
from dataflow.export.spool import LEFT_OUT, Part, Records, Rule, Spool

PICTURE = Image("/a.png", "ab" * 32, 1, 64, 64, "png")
CAPTIONS = (Caption("do it", "en"), Caption("做吧", "zh"))


def record(number: int, inputs: int = 1, mask: Image | None = None) -> Record:
    return Record(f"r{number}", (PICTURE,) * inputs, ("source",) * inputs, CAPTIONS, PICTURE, mask)


def spool_of(folder: Path, *records: Record) -> Spool:
    spool = Spool(folder / "spool", ("train", "test"))
    for each in records:
        spool.add(each)
    spool.close()
    return spool


def test_a_spool_without_records_is_empty(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", ("train",))
    spool.close()
    assert list(spool) == []
    assert json.dumps(spool.counts) == "{}"


def test_a_record_has_the_split_of_its_fate_and_one_that_is_left_out_stays_in_the_spool_alone(tmp_path: Path) -> None:
    spool = spool_of(tmp_path, *map(record, range(3)))
    spool.split_numbers[1], spool.split_numbers[2] = LEFT_OUT, 1
    assert [(each.id, each.split) for each in spool] == [("r0", "train"), ("r2", "test")]
    assert spool.counts == {"train": 1, "test": 1}
    assert [number for number, _ in spool.all()] == [0, 1, 2]


def test_a_path_that_is_not_utf8_comes_back(tmp_path: Path) -> None:
    odd = replace(record(0), edited=replace(PICTURE, path="/caf\udce9.png"))
    assert [each.edited.path for each in spool_of(tmp_path, odd)] == ["/caf\udce9.png"]


def test_parts_begin_with_train_then_fewer_inputs_then_without_masks(tmp_path: Path) -> None:
    spool = spool_of(tmp_path, record(0), record(1, 2), record(2, mask=PICTURE), record(3))
    spool.split_numbers[0] = 1
    records = Records(spool, Rule(lambda each: True, captions=1))
    parts = [Part("train", 1), Part("train", 1, masked=True), Part("train", 2), Part("test", 1)]
    assert records.parts() == parts
    assert records.splits == ["train", "test"]
    assert [each.id for part in parts for each in records.of(part)] == ["r3", "r2", "r1", "r0"]
    assert [each.id for each in records.split("train")] == ["r1", "r2", "r3"]
    assert len(records) == 4


def test_a_format_gets_the_records_and_captions_that_it_takes(tmp_path: Path) -> None:
    spool = spool_of(tmp_path, record(0), record(1, 2))
    one = Records(spool, Rule(lambda each: len(each.images) == 1, captions=1))
    assert [(each.id, len(each.captions)) for each in one] == [("r0", 1)]
    every = Records(spool, Rule(lambda each: True))
    assert [len(each.captions) for each in every] == [2, 2]

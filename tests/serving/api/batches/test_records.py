"""What is on disk about a batch."""

import time
from pathlib import Path

import orjson
import pytest

from dataflow.errors import ConfigError
from dataflow.serving.api.batches.records import KEEP_SECONDS, BatchRecord, Records

ONE, TWO = "1" * 32, "2" * 32
OWNER = {"address": "http://127.0.0.1:1/v1", "format": "images", "model": "m"}


def record(tag: str = "a" * 32, *, began: float | None = None, batch: str = "batch-1") -> BatchRecord:
    return BatchRecord(tag, "/images/edits", (ONE, TWO), time.time() if began is None else began, "f", "0" * 64, batch)


def test_a_record_comes_back_without_what_was_journalled_of_it(tmp_path: Path) -> None:
    records = Records(str(tmp_path), OWNER)
    records.write(record())
    records.note_journalled("a" * 32, ONE)
    (found,) = records.load()
    assert found.ids == ("", TWO), "line numbers stay right"
    assert found.batch == "batch-1"


def test_a_record_whose_answers_are_all_journalled_is_removed(tmp_path: Path) -> None:
    records = Records(str(tmp_path), OWNER)
    records.write(record())
    for each in (ONE, TWO):
        records.note_journalled("a" * 32, each)
    assert records.load() == []
    assert list(records.folder.iterdir()) == []


def test_a_torn_last_line_of_what_was_journalled_counts_for_nothing(tmp_path: Path) -> None:
    records = Records(str(tmp_path), OWNER)
    records.write(record())
    records.note_journalled("a" * 32, ONE)
    with (records.folder / f"{'a' * 32}.done").open("a") as file:
        file.write(TWO[:7])
    assert records.load()[0].ids == ("", TWO)


def test_records_that_providers_no_longer_have_are_removed(tmp_path: Path) -> None:
    records = Records(str(tmp_path), OWNER)
    records.write(record(began=time.time() - KEEP_SECONDS - 60))
    assert records.load() == []


def test_the_newest_record_comes_last(tmp_path: Path) -> None:
    records = Records(str(tmp_path), OWNER)
    now = time.time()
    records.write(record("b" * 32, began=now))
    records.write(record("a" * 32, began=now - 5))
    assert [each.tag[0] for each in records.load()] == ["a", "b"]


def test_batches_of_another_model_or_address_are_left_alone(tmp_path: Path) -> None:
    Records(str(tmp_path), OWNER).write(record())
    assert Records(str(tmp_path), {**OWNER, "model": "other"}).load() == []


@pytest.mark.parametrize("text", [b"{", b'{"v": 1}', orjson.dumps({"v": 99})])
def test_a_record_that_cannot_be_read_is_refused_by_name(tmp_path: Path, text: bytes) -> None:
    records = Records(str(tmp_path), OWNER)
    records.folder.mkdir(parents=True)
    (records.folder / "c.json").write_bytes(text)
    with pytest.raises(ConfigError, match=r"c\.json"):
        records.load()

"""Journals of shards: begun with the answers above, and merged into one without losing an answer."""

from pathlib import Path

import pytest

from dataflow.core.records import Answer, Charge
from dataflow.core.shard import Shard
from dataflow.errors import ConfigError, Failure, JournalDamaged
from dataflow.journal.journal import Journal
from dataflow.journal.merging import begin_journal, merge_journals
from dataflow.utils.cache_folder import CacheFolder
from tests.kit.flow import journal_entries

IDS = [f"{number:032x}" for number in range(1, 5)]


def record(cache: Path, *answers: tuple[str, Answer | Failure], currency: str = "") -> Path:
    """Journal answers and failures in a cache directory, a tenth of a unit each."""
    with Journal.opened(cache) as journal:
        if currency:
            journal.count_in(currency)
        for request, answer in answers:
            charge = Charge(100_000_000)
            journal.start(request, 0, 100_000_000)
            if isinstance(answer, Failure):
                journal.fail(request, 0, answer, again=False, charge=charge)
            else:
                journal.got(request, 0, answer, charge)
    return cache


def texts(cache: Path) -> list[str | None]:
    """The text of each id's answer in a directory; None for a failure or nothing."""
    with Journal.opened(cache) as journal:
        places = journal.places(IDS)
        answers = [
            None if place is None else journal.read(place, name) for name, place in zip(IDS, places, strict=True)
        ]
    return [None if answer is None or answer.error else answer.text for answer in answers]


def shard(root: Path, index: int) -> Path:
    return root / Shard(index, 2).folder


def test_an_answer_of_one_shard_outweighs_the_failure_of_another_and_merging_again_copies_nothing(
    tmp_path: Path,
) -> None:
    failed = Failure("failed", "busy")
    first = record(shard(tmp_path, 0), (IDS[0], Answer(text="a")), (IDS[1], Answer(text="b")))
    second = record(shard(tmp_path, 1), (IDS[0], failed), (IDS[2], failed))
    CacheFolder(tmp_path).path.mkdir()
    assert merge_journals(tmp_path, [first, second]) > 0
    assert texts(tmp_path) == ["a", "b", None, None]
    assert [entry.get("merged") for entry in journal_entries(tmp_path) if entry["t"] == "fail"] == [True, True]
    assert merge_journals(tmp_path, [first, second]) == 0
    record(second, (IDS[2], Answer(text="c")))
    assert merge_journals(tmp_path, [first, second]) > 0
    assert texts(tmp_path) == ["a", "b", "c", None]


def test_a_shard_begins_with_the_answers_above_it_and_its_part_of_their_cost(tmp_path: Path) -> None:
    record(tmp_path, (IDS[0], Answer(text="a")))
    own = shard(tmp_path, 1)
    CacheFolder(own).path.mkdir(parents=True)
    assert [begin_journal(own, tmp_path), begin_journal(own, tmp_path)] == [True, False]
    assert texts(own) == ["a", None, None, None]
    with Journal.opened(own) as journal:
        assert journal.index.money.spent == 50_000_000
    with Journal.opened(tmp_path) as journal:
        before = journal.index.money.spent
    merge_journals(tmp_path, [own])
    with Journal.opened(tmp_path) as journal:
        assert journal.index.money.spent == before == 100_000_000, "the copy is skipped"


def test_a_directory_without_a_journal_begins_none(tmp_path: Path) -> None:
    own = shard(tmp_path, 0)
    CacheFolder(own).path.mkdir(parents=True)
    assert not begin_journal(own, tmp_path)
    assert not CacheFolder(own).journal.exists()


def test_costs_in_two_currencies_have_no_sum_and_leave_the_journal_as_it_was(tmp_path: Path) -> None:
    record(tmp_path, (IDS[0], Answer(text="a")))
    before = CacheFolder(tmp_path).journal.read_bytes()
    foreign = record(shard(tmp_path, 0), (IDS[1], Answer(text="b")), currency="CNY")
    with pytest.raises(ConfigError, match=r"several currencies, USD of the cache directory itself, CNY of shard-000"):
        merge_journals(tmp_path, [foreign])
    assert CacheFolder(tmp_path).journal.read_bytes() == before
    assert not [*CacheFolder(tmp_path).path.glob("*.part")]


def test_a_torn_last_line_is_left_out_and_damage_before_it_refused(tmp_path: Path) -> None:
    own = record(shard(tmp_path, 0), (IDS[0], Answer(text="a")), (IDS[1], Answer(text="b")))
    CacheFolder(tmp_path).path.mkdir()
    journal = CacheFolder(own).journal
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-5])
    merge_journals(tmp_path, [own])
    assert texts(tmp_path) == ["a", None, None, None]
    CacheFolder(shard(tmp_path, 1)).path.mkdir(parents=True)
    journal.write_bytes(whole.replace(b'"text":"a"', b'"text":"x"'))
    with pytest.raises(JournalDamaged, match=r"journal\.jsonl:\d+: this line is damaged, and lines follow it"):
        merge_journals(shard(tmp_path, 1), [own])

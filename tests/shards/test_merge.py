"""Shards of a run: what they ask and write together is what one run asks and writes."""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path

import pytest

from dataflow.core.records import Answer, Job
from dataflow.core.run_options import Prices, RunOptions
from dataflow.core.shard import Shard
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError, Failure, JournalDamaged, MaxCostReached
from dataflow.operators.core_vision import PromptedImageGenerator
from dataflow.shards import merge
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit import sharded
from tests.kit.flow import Ask, journal_entries, write_rows
from tests.kit.workers import Echo


@pytest.mark.parametrize(
    ("count", "rows"),
    [
        (4, 120),
        pytest.param(2, 4000, marks=pytest.mark.slow),
        pytest.param(4, 4000, marks=pytest.mark.slow),
        pytest.param(16, 4000, marks=pytest.mark.slow),
    ],
)
def test_shards_ask_the_ids_of_one_run_once_and_merge_into_its_bytes(tmp_path: Path, count: int, rows: int) -> None:
    first = sharded.first_entry(tmp_path, rows)
    whole, cache = tmp_path / "whole", tmp_path / "cache"
    summaries = sharded.run(first, whole)
    for index in range(count):
        sharded.run(first, cache, shard=f"{index}/{count}", at_once=index % 2 > 0)
    asked = [each for path in cache.glob("shard-*") for each in sharded.ids(path)]
    assert sorted(asked) == sharded.ids(whole)
    assert len(asked) == len({*asked})
    merged = merge(cache)
    assert sharded.step_files(cache) == sharded.step_files(whole)
    assert [(step.rows, step.failed) for step in merged.steps] == [(each.rows, each.failed) for each in summaries]
    again = Echo()
    for summary, before in zip(sharded.run(first, cache, again), summaries, strict=True):
        assert (summary.rows, summary.failed, summary.requests) == (before.rows, before.failed, 0)
    assert again.asked == []
    assert sharded.step_files(cache) == sharded.step_files(whole)


def lines_of(cache: Path) -> Counter[str]:
    """The lines of a journal that are about a request, as often as they stand there."""
    entries = [entry for entry in journal_entries(cache) if "id" in entry]
    return Counter(repr({name: value for name, value in entry.items() if name != "merged"}) for entry in entries)


def shards_of(first: Path, cache: Path, count: int, worker: Worker | None = None) -> None:
    for index in range(count):
        sharded.run(first, cache, worker, shard=f"{index}/{count}")


class Agrees(Echo):
    """All rows ask it the same in their second step, which it may refuse."""

    def __init__(self, *, refuses: bool = False) -> None:
        super().__init__()
        self.refuses = refuses

    async def answer(self, job: Job) -> Answer:
        if job.request.prompt == "yes" and self.refuses:
            return Answer(error=Failure("refused", "no"))
        return Answer(text="yes")


def two_steps(first: Path, cache: Path, worker: Agrees, shard: str | None = None) -> int:
    """How many rows come out of both with an answer."""
    storage = FileStorage(first, cache, shard=shard)
    Ask(worker).run(storage.step())
    summary = Ask(worker).run(storage.step(), input_key="answer", output_key="more")
    return summary.rows - summary.failed


@pytest.mark.parametrize("refusing", [0, 1])
def test_an_answer_of_one_shard_counts_more_than_a_refusal_of_another(tmp_path: Path, refusing: int) -> None:
    first, cache = write_rows(tmp_path / "in.jsonl", [{"prompt": f"p{n}"} for n in range(6)]), tmp_path / "cache"
    answered = [two_steps(first, cache, Agrees(refuses=n == refusing), f"{n}/2") for n in range(2)]
    assert answered[refusing] == 0 < answered[1 - refusing]
    merge(cache)
    assert two_steps(first, cache, Agrees(refuses=True)) == sum(answered)
    (cache / ".dataflow" / "index.sqlite").unlink()
    assert two_steps(first, cache, Agrees(refuses=True)) == sum(answered)


def test_merging_again_writes_nothing_and_leaves_what_a_run_wrote_since(tmp_path: Path) -> None:
    first, cache = sharded.first_entry(tmp_path, 40), tmp_path / "cache"
    shards_of(first, cache, 2)
    assert merge(cache).journal > 0
    (cache / f"{sharded.PREFIX}_step3.jsonl").write_text("of a later run\n")
    before = sharded.step_files(cache)
    again = merge(cache)
    assert (again.shards, again.journal, list(again.steps)) == (2, 0, [])
    assert sharded.step_files(cache) == before


def test_what_a_shard_was_answered_after_a_merge_is_added_by_the_next(tmp_path: Path) -> None:
    first, cache = sharded.first_entry(tmp_path, 80), tmp_path / "cache"
    shards_of(first, cache, 2)
    merge(cache)
    healed = Echo()
    sharded.run(first, cache, healed, options=RunOptions(shard=Shard(1, 2), retry_rejected=True))
    assert healed.asked
    with pytest.raises(ConfigError, match="are not merged since some were run again, and a run without a shard would"):
        sharded.run(first, cache, Echo())
    assert [step.target.name for step in merge(cache).steps] == [f"{sharded.PREFIX}_step{n}.jsonl" for n in (1, 2, 3)]
    assert lines_of(cache) == sum((lines_of(path) for path in cache.glob("shard-*")), Counter())
    again = Echo()
    assert [each.requests for each in sharded.run(first, cache, again)] == [0, 0, 0]


def test_another_number_of_shards_asks_nothing_that_was_answered_before(tmp_path: Path) -> None:
    first, cache = sharded.first_entry(tmp_path, 60), tmp_path / "cache"
    sharded.run(first, cache, options=RunOptions(limit=20))
    before = lines_of(cache)
    worker = sharded.Choosy(width=16)
    shards_of(first, cache, 3, worker)
    merge(cache)
    asked = len(worker.asked)
    assert sharded.ids(cache) == sorted({*sharded.ids(cache)})
    assert asked == sum((lines_of(cache) - before).values()) / 2  # a line where it starts, and one where it ends
    for path in cache.glob("shard-*"):
        shutil.rmtree(path)
    estimate = Ask(worker).run(FileStorage(first, cache, shard="1/2", dry_run=True).step()).estimate
    assert estimate is not None
    assert estimate.remaining == 0
    shards_of(first, cache, 2, worker)
    assert len(worker.asked) == asked
    with pytest.raises(ConfigError, match="are not merged"):
        sharded.run(first, cache)
    lines = lines_of(cache)
    merge(cache)
    assert lines_of(cache) == lines
    sharded.run(first, tmp_path / "whole")
    assert sharded.step_files(cache) == sharded.step_files(tmp_path / "whole")


BOUNDED: Mapping[str, object] = {"paid": {"input": 1, "output": 1, "most_input": 1000, "most_output": 3000}}


def test_what_was_spent_without_a_shard_counts_in_the_limit_of_each(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "in.jsonl", [{"prompt": f"{n:03}"} for n in range(60)])  # 0.003 USD each
    cache = tmp_path / "cache"
    assert Ask(sharded.Paid()).run(FileStorage(first, cache, limit=20, prices=BOUNDED).step()).spent == pytest.approx(
        0.06
    )
    forecast = Ask(sharded.Paid()).run(
        FileStorage(first, cache, prices=BOUNDED, max_cost=0.12, shard="0/2", dry_run=True).step()
    )
    assert forecast.estimate is not None
    assert forecast.estimate.left == pytest.approx(0.03)
    spent = 0.0
    for index in range(2):
        limited = RunOptions(max_cost=0.12, prices=BOUNDED, at_limit="finish", shard=Shard(index, 2))
        summary = Ask(sharded.Paid()).run(FileStorage(first, cache, options=limited).step())
        spent += summary.spent
        assert summary.unpaid > 0
    assert 0.11 < spent <= 0.12
    merge(cache)
    rest = Ask(sharded.Paid()).run(FileStorage(first, cache, prices=BOUNDED, max_cost=0.19).step())
    assert (rest.failed, rest.spent) == (0, pytest.approx(0.18))


def test_a_limit_that_a_shard_reached_is_told_as_that_of_all(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "in.jsonl", [{"prompt": f"{n:03}"} for n in range(60)])
    limited = FileStorage(first, tmp_path / "cache", prices=BOUNDED, max_cost=0.04, shard="1/4")
    with pytest.raises(
        MaxCostReached, match=r"is 0.0100 USD, a part of 4: .* at least 0.0[45]\d+ USD for all 4 shards"
    ):
        Ask(sharded.Paid()).run(limited.step())


def test_shards_that_were_moved_before_the_merge_keep_their_pictures(tmp_path: Path) -> None:
    cache, moved = tmp_path / "cache", tmp_path / "moved"
    first = write_rows(tmp_path / "in.jsonl", [{"prompt": f"p{n}"} for n in range(8)])
    for index in range(2):
        draws = PromptedImageGenerator(ScriptedWorker(save_path=cache / "images"))
        step = FileStorage(first, cache, shard=f"{index}/2").step()
        draws.run(step, input_conversation_key="prompt", output_image_key="images")
    cache.rename(moved)
    merge(moved)
    later = FileStorage(first, moved)
    later.step()
    assert Ask(Echo()).run(later.step()).failed == 0


def test_costs_in_several_currencies_are_not_added_up(tmp_path: Path) -> None:
    first, cache = sharded.first_entry(tmp_path, 40), tmp_path / "cache"
    yuan = tmp_path / "prices.yaml"
    yuan.write_text("currency: CNY\nmodels: {paid: {image: 0.3}}\n")
    all_prices: list[Prices] = [sharded.PRICES, yuan]
    for index, prices in enumerate(all_prices):
        Ask(sharded.Paid()).run(FileStorage(first, cache, shard=f"{index}/2", prices=prices).step())
    with pytest.raises(ConfigError, match="several currencies, USD of shard-000-of-002, CNY of shard-001-of-002"):
        merge(cache)
    assert not (cache / ".dataflow" / "journal.jsonl").exists()


def test_a_damaged_line_of_a_shard_does_not_get_into_the_journal(tmp_path: Path) -> None:
    first, cache = sharded.first_entry(tmp_path, 40), tmp_path / "cache"
    shards_of(first, cache, 2)
    journal = cache / "shard-001-of-002" / ".dataflow" / "journal.jsonl"
    data = journal.read_bytes()
    journal.write_bytes(data.replace(b'"t":"got"', b'"t":"gut"', 1))
    with pytest.raises(JournalDamaged, match=r"shard-001-of-002/.dataflow/journal.jsonl:\d+: this line is damaged"):
        merge(cache)
    assert not [*(cache / ".dataflow").glob("journal.jsonl*")]  # nor one half made: the disk may be full
    journal.write_bytes(data + b'{"t":"got","id":"torn')
    merge(cache)
    assert b"torn" not in (cache / ".dataflow" / "journal.jsonl").read_bytes()


def merge_until(cache: Path, what: str) -> None:
    """A process that is killed when the merge comes to this."""
    merge(cache, lambda now: os.kill(os.getpid(), signal.SIGKILL) if what in now else None)


@pytest.mark.parametrize(
    "what", ["step3", *(pytest.param(what, marks=pytest.mark.slow) for what in ("journals", "step1", "step2"))]
)
def test_a_merge_that_was_killed_is_run_again(tmp_path: Path, what: str) -> None:
    first, cache = sharded.first_entry(tmp_path, 60), tmp_path / "cache"
    shards_of(first, cache, 3)
    process = get_context("fork").Process(target=merge_until, args=(cache, what))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len([*cache.glob("*_step?.jsonl")]) == {"step2": 1, "step3": 2}.get(what, 0)
    merge(cache)
    sharded.run(first, tmp_path / "whole")
    assert sharded.step_files(cache) == sharded.step_files(tmp_path / "whole")
    assert lines_of(cache) == sum((lines_of(path) for path in cache.glob("shard-*")), Counter())

"""A shard of a storage: which rows it takes, where its files lie, and beside whom it runs."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from dataflow.core.records import Row
from dataflow.core.run_options import RunOptions
from dataflow.core.source import Ended, Settled, Source
from dataflow.errors import CacheBusy, ConfigError, Failure, InputError
from dataflow.flow.recipe import Recipe
from dataflow.flow.runner import run_step
from dataflow.journal.journal import Journal
from dataflow.journal.lock import locked
from dataflow.money.budget import make_budget
from dataflow.operators.core_vision import PromptedImageGenerator
from dataflow.shards import merge
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit import sharded
from tests.kit.flow import Ask, draw, read_rows, recipe, write_rows
from tests.kit.workers import Echo, Scripted


def storages(folder: Path, rows: Sequence[Row], count: int, **settings: Any) -> list[FileStorage]:
    first = write_rows(folder / "in.jsonl", rows)
    return [FileStorage(first, folder / "cache", shard=f"{index}/{count}", **settings) for index in range(count)]


def test_a_shard_has_a_cache_of_its_own_below_the_cache_path(tmp_path: Path) -> None:
    storage = FileStorage("in.jsonl", tmp_path / "cache", shard="3/16")
    assert storage.cache_path == f"{tmp_path}/cache/shard-003-of-016"
    assert storage.step().target == tmp_path / "cache" / "shard-003-of-016" / "dataflow_cache_step_step1.jsonl"
    assert str(storage.current.options.shard) == "3/16"
    assert FileStorage("in.jsonl", "", shard="3/16").cache_path == "shard-003-of-016"  # not below /


def test_the_environment_names_the_shard_unless_the_storage_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DF_SHARD", "1/2")
    assert FileStorage(cache_path=tmp_path).cache_path == f"{tmp_path}/shard-001-of-002"
    assert FileStorage(cache_path=tmp_path, options=RunOptions(limit=1)).cache_path.endswith("-001-of-002")
    assert FileStorage(cache_path=tmp_path, shard="0/3").cache_path == f"{tmp_path}/shard-000-of-003"
    monkeypatch.setenv("DF_SHARD", "2/2")
    with pytest.raises(ConfigError, match="the last 1/2"):
        FileStorage(cache_path=tmp_path)
    with pytest.raises(ConfigError, match="'' names no shard"):
        FileStorage(cache_path=tmp_path, shard="")  # of a shell's variable that is not set; it would take all rows
    with pytest.raises(ConfigError, match="'sub/x': of a shard it may name no folder"):
        FileStorage(cache_path=tmp_path, file_name_prefix="sub/x", shard="0/2")


def test_a_limit_is_of_the_rows_of_all_shards(tmp_path: Path) -> None:
    rows = [{"n": n} for n in range(40)]
    found = [row["n"] for storage in storages(tmp_path, rows, 4, limit=10) for row in storage.step().rows()]
    assert sorted(found) == [*range(10)]


def test_each_shard_may_spend_its_part(tmp_path: Path) -> None:
    (step, *_) = (storage.step() for storage in storages(tmp_path, [], 4, max_cost=2))
    assert make_budget({}, step.options).max_cost == 500_000_000


def test_a_shard_without_rows_is_complete(tmp_path: Path) -> None:
    for storage in storages(tmp_path, [{"prompt": "p"}], 4):
        assert Ask(Echo()).run(storage.step()).failed == 0
        assert Ask(Echo()).run(storage.step(), input_key="answer", output_key="more").failed == 0
    assert [step.rows for step in merge(tmp_path / "cache").steps] == [1, 1]


def test_columns_are_looked_for_in_the_rows_of_all_shards(tmp_path: Path) -> None:
    rows: list[Row] = [{"prompt": "p"}, *({"n": n} for n in range(12))]
    for storage in storages(tmp_path, rows, 4):
        summary = Ask(Echo()).run(storage.step())
        assert summary.failed == sum("prompt" not in row for row in read_rows(storage.current.target))
    with pytest.raises(ConfigError, match=r"no row of .* has `prompts`"):
        Ask(Echo()).run(storage.reset().step(), input_key="prompts")
    (storage, *_) = storages(tmp_path, [], 4)
    with pytest.raises(InputError, match="is empty"):
        Ask(Echo()).run(storage.step())


class Numbers(Source):
    """Two rows."""

    def __len__(self) -> int:
        return 2

    def row(self, index: int) -> Row:
        return {"prompt": str(index)}

    def settle(self, index: int, ended: Ended) -> Settled:
        return Settled(ended.rows)


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_compares_rows_refuses_a_shard_by_name(tmp_path: Path, *, dry_run: bool) -> None:
    storage = FileStorage(cache_path=tmp_path, shard="0/2", dry_run=dry_run)
    made: Recipe = recipe(Echo(), name="Numbers", source=Numbers(), output=None)
    with pytest.raises(ConfigError, match=r"Numbers compares its rows .* first_entry_file_name= in Python, --input"):
        run_step(made, storage.step())


def test_shards_of_another_count_and_runs_without_one_are_refused_until_the_merge(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "in.jsonl", [{"prompt": f"p{n}"} for n in range(9)])
    cache, worker = tmp_path / "cache", Echo()
    for index in range(2):
        Ask(worker).run(FileStorage(first, cache, shard=f"{index}/2").step())
    with pytest.raises(ConfigError, match="has shards of 2, and 1/3 would split the rows otherwise"):
        Ask(worker).run(FileStorage(first, cache, shard="1/3").step())
    with pytest.raises(ConfigError, match="are not merged, and a run without a shard would ask all of it again"):
        Ask(worker).run(FileStorage(first, cache).step())
    merge(cache)
    assert Ask(worker).run(FileStorage(first, cache).step()).requests == 0
    assert len(worker.asked) == 9


def test_a_shards_folder_is_no_cache_path_of_a_run_over_all_rows_nor_of_a_shard(tmp_path: Path) -> None:
    (storage, *_) = storages(tmp_path, [{"prompt": f"p{n}"} for n in range(9)], 2)
    Ask(Echo()).run(storage.step())
    for shard in (None, "0/2"):
        with pytest.raises(
            ConfigError, match=rf"the cache of 0/2, .* --shard 0/2 and the cache_path {tmp_path}/cache$"
        ):
            Ask(Echo()).run(FileStorage(tmp_path / "in.jsonl", storage.cache_path, shard=shard).step())
    later = FileStorage(storage.current.target, storage.cache_path, "judged")
    assert later.step().root == tmp_path / "cache"
    assert Ask(Echo()).run(later.current, input_key="answer", output_key="more").failed == 0


def test_a_shard_waits_for_a_run_over_all_rows_and_for_another_that_does_the_same(tmp_path: Path) -> None:
    (storage, *_) = storages(tmp_path, [{"prompt": "p"}], 2)
    with (
        Journal.opened(tmp_path / "cache"),
        pytest.raises(CacheBusy, match=f"works in {tmp_path}/cache without a shard"),
    ):
        Ask(Echo()).run(storage.step())
    with locked([Path(storage.cache_path)]), pytest.raises(CacheBusy, match=r"in use by process \d+: wait for it$"):
        Ask(Echo()).run(storage.step())
    assert Ask(Echo()).run(storage.step()).failed == 0


def test_a_part_of_a_part_is_refused(tmp_path: Path) -> None:
    (first, *_) = storages(tmp_path, [{"prompt": "p"}], 2)
    Ask(Echo()).run(first.step())
    with pytest.raises(ConfigError, match="lies in the cache of a shard, and 0/2 of it would be a part of a part"):
        Ask(Echo()).run(FileStorage(first.current.target, tmp_path / "other", shard="0/2").step())


def test_a_dry_run_counts_the_rows_of_its_shard(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{n}"} for n in range(30)]
    estimates = [Ask(Echo()).run(one.step()).estimate for one in storages(tmp_path, rows, 3, dry_run=True)]
    asked = [estimate.remaining for estimate in estimates if estimate is not None]
    assert sum(asked) == 30
    assert 0 < min(asked) < 30
    assert not (tmp_path / "cache").exists()


def by_hand(storage: FileStorage, change: Any) -> None:
    storage.step()
    storage.write(change(storage.read("dict")))


def test_rows_written_by_hand_keep_the_order_where_there_are_as_many(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{n}", "n": n} for n in range(30)]
    for storage in storages(tmp_path, rows, 3):
        by_hand(storage, lambda rows: [{**row, "seen": True} for row in rows])
        Ask(Echo()).run(storage.step())
        by_hand(storage, lambda rows: [row for row in rows if row["n"] % 2])
        by_hand(storage, lambda rows: rows)
    merge(tmp_path / "cache")
    numbers = [[row["n"] for row in read_rows(path)] for path in sorted((tmp_path / "cache").glob("*.jsonl"))]
    assert numbers[:2] == [[*range(30)]] * 2
    assert numbers[2] == numbers[3] == [n for shard in _numbers(tmp_path) for n in shard if n % 2]
    assert numbers[2] != sorted(numbers[2])


def _numbers(folder: Path) -> list[list[int]]:
    return [[row["n"] for row in read_rows(path)] for path in sorted((folder / "cache").glob("shard-*/*step2.jsonl"))]


def test_pictures_are_named_below_the_cache_path_of_all(tmp_path: Path) -> None:
    picture = draw(tmp_path / "cache" / "images" / "a.png")
    step = FileStorage("in.jsonl", tmp_path / "cache", shard="0/2").step()
    assert step.name_of(str(picture)) == FileStorage("in.jsonl", tmp_path / "cache").step().name_of(str(picture))
    first = write_rows(tmp_path / "in.jsonl", [{"prompt": "p", "images": [str(picture)]}])
    for index in range(2):
        storage = FileStorage(first, tmp_path / "cache", shard=f"{index}/2")
        Ask(Echo()).run(storage.step())
        assert orjson.loads(storage.current.meta.read_bytes())["cache_path"] == str(tmp_path / "cache")
    merge(tmp_path / "cache")
    moved = shutil.move(tmp_path / "cache", tmp_path / "moved")
    again = FileStorage(first, moved)
    again.step()
    rules = again.step().path_rules()
    assert rules.resolve(str(picture)) == str(tmp_path / "moved" / "images" / "a.png")


def test_a_cache_that_is_only_called_as_a_shards_keeps_its_answers_under_another_name(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "in.jsonl", [{"prompt": "p"}])
    cache = tmp_path / "shard-000-of-002"
    operator = PromptedImageGenerator(ScriptedWorker(save_path=cache / "images"))
    draw_prompts = partial(operator.run, input_conversation_key="prompt", output_image_key="drawn")
    assert draw_prompts(FileStorage(first, cache).step()).requests == 1
    moved = cache.rename(tmp_path / "moved")
    assert draw_prompts(FileStorage(first, moved).step()).requests == 0


def test_a_shard_of_rows_that_all_failed_goes_on_and_the_merge_refuses_filters_of_nothing_else(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "in.jsonl", [{"answer": ""}, {"answer": None}])
    for index in range(2):
        storage = FileStorage(first, tmp_path / "cache", shard=f"{index}/2")
        summary = sharded.Sort({"model": Echo()}).run(storage.step())
        assert (summary.rows, summary.failed) == (0, summary.rows_in)
    with pytest.raises(ConfigError, match="every row of dataflow_cache_step_step1 failed in all shards: no `answer`"):
        merge(tmp_path / "cache")


def test_failed_rows_of_a_shard_are_named_by_their_row_there_and_merged_by_that_of_all(tmp_path: Path) -> None:
    rows: list[Row] = [{"prompt": f"p{n}", "n": n} for n in range(60)]
    for storage in storages(tmp_path, rows, 2):
        worker = Scripted({f"p{n}": [Failure("refused", "no")] for n in range(0, 60, 3)})
        assert 1 < Ask(worker).run(storage.step()).failed < 19
        numbers = [row["n"] for row in read_rows(storage.current.target)]
        for line in read_rows(storage.current.errors):
            assert numbers[line["row"]] == line["origin"] == line["line"] - 1
    merge(tmp_path / "cache")
    lines = read_rows(tmp_path / "cache" / "dataflow_cache_step_step1.errors.jsonl")
    assert [(line["row"], "origin" in line) for line in lines] == [(n, False) for n in range(0, 60, 3)]

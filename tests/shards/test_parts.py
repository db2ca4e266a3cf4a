"""A merge names the shards that are not finished runs of the same kind, and what is the matter with each."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.journal.journal import Journal
from dataflow.shards import merge
from dataflow.shards.parts import whole_parts
from dataflow.utils.storage import FileStorage
from tests.kit import sharded
from tests.kit.flow import Ask, write_rows
from tests.kit.workers import Breaking, Echo


def refusal(cache: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        whole_parts(cache)
    return str(refused.value)


def run(first: Path, cache: Path, index: int, count: int = 4, steps: int = 2, prefix: str = "run") -> None:
    storage = FileStorage(first, cache, prefix, shard=f"{index}/{count}")
    Ask(Echo()).run(storage.step())
    if steps > 1:
        Ask(Echo()).run(storage.step(), input_key="answer", output_key="more")


def test_missing_unfinished_and_shorter_shards_are_named(tmp_path: Path) -> None:
    first, cache = sharded.first_entry(tmp_path, 60), tmp_path / "cache"
    run(first, cache, 0)
    run(first, cache, 1)
    with pytest.raises(ZeroDivisionError):
        Ask(Breaking(ZeroDivisionError())).run(FileStorage(first, cache, "run", shard="3/4").step())
    said = refusal(cache)
    assert "2/4: it was never run\n" in said
    assert "3/4: step 1 (run) is stopped: stopped by ZeroDivisionError" in said
    assert "0/4" not in said
    assert said.endswith("Run these shards again, which asks only what is missing: 2 3")
    run(first, cache, 3)
    run(first, cache, 2, steps=1)
    assert "2/4: it lacks run_step2.jsonl, which others have" in refusal(cache)
    with Journal.opened(cache / "shard-001-of-004"):
        assert "1/4: process" in refusal(cache)
    run(first, cache, 2)
    assert len(merge(cache).steps) == 2


def test_shards_of_another_prefix_or_of_other_rows_are_named(tmp_path: Path) -> None:
    first, cache = sharded.first_entry(tmp_path, 30), tmp_path / "cache"
    for index in range(3):
        run(first, cache, index, prefix="other" if index == 2 else "run", count=3)
    said = refusal(cache)
    assert "2/3: it lacks run_step1.jsonl, run_step2.jsonl, which others have" in said
    assert "2/3: it has other_step1.jsonl, other_step2.jsonl, which others lack" in said
    shutil.rmtree(cache / "shard-002-of-003")
    write_rows(first, sharded.rows(31))
    run(first, cache, 2, count=3)
    assert "2/3: its first step read other rows than the others' (31 rows, split by prompt)" in refusal(cache)


def test_folders_of_two_runs_and_none_at_all_are_refused(tmp_path: Path) -> None:
    assert "has no shards: it has no folder such as shard-000-of-016" in refusal(tmp_path)
    assert "has no shards: it is not there" in refusal(tmp_path / "nowhere")
    (tmp_path / "shard-000-of-002").mkdir()
    assert "0/2: it has no finished step" in refusal(tmp_path)
    (tmp_path / "shard-000-of-003").mkdir()
    assert "has shards of several runs, 1 of 2 and 1 of 3" in refusal(tmp_path)


def ask_rows(cache: Path, index: int, operator: type[Ask] = Ask, model: str = "m", **settings: str) -> None:
    first = write_rows(cache.parent / "in.jsonl", [{"prompt": f"p{n}"} for n in range(20)])
    operator(Echo(model=model)).run(FileStorage(first, cache, shard=f"{index}/3").step(), **settings)  # type: ignore[arg-type]


class AskElsewhere(Ask):
    pass


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (partial(ask_rows, operator=AskElsewhere), "the operator of {step} was AskElsewhere, and that of others Ask"),
        (partial(ask_rows, output_key="b"), "the output column of {step} was b, and that of others answer"),
        (partial(ask_rows, model="n"), "the model of {step} was {{'model': 'n'}}, and that of others {{'model': 'm'}}"),
    ],
)
def test_a_shard_of_another_operator_column_or_model_is_named(
    tmp_path: Path, other: Callable[[Path, int], None], said: str
) -> None:
    cache = tmp_path / "cache"
    ask_rows(cache, 0)
    ask_rows(cache, 1)
    other(cache, 2)
    refused = refusal(cache)
    assert f"2/3: {said.format(step='dataflow_cache_step_step1')}\n" in refused
    if "--mixed" in refused:
        assert merge(cache, mixed=True).steps[0].rows == 20
    ask_rows(cache, 2)
    assert merge(cache).steps[0].rows == 20


def test_a_shard_that_ran_where_the_cache_was_called_otherwise_is_named(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    ask_rows(cache, 0)
    ask_rows(cache, 1)
    cache.rename(tmp_path / "moved")
    ask_rows(tmp_path / "moved", 2)
    said = f"the cache_path of dataflow_cache_step_step1 was {tmp_path}/moved, and that of others {cache}"
    assert f"2/3: {said}" in refusal(tmp_path / "moved")


def test_rows_in_another_order_and_steps_older_than_their_rows_are_named(tmp_path: Path) -> None:
    cache, rows = tmp_path / "cache", sharded.rows(30)
    first = write_rows(tmp_path / "in.jsonl", rows)
    run(first, cache, 0, 2)
    write_rows(first, rows[::-1])
    run(first, cache, 1, 2)
    assert "its first step read other rows than the others' (30 rows, split by prompt)" in refusal(cache)
    run(first, cache, 0, 2)
    run(first, cache, 0, 2, steps=1)  # stopped before its second step, whose file is of an earlier run
    assert "0/2: step 2 (run) was made before the one before it was run again" in refusal(cache)

"""Which shard is meant, and which rows are its own."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from dataflow.core.records import Row
from dataflow.core.shard import Shard, read_shard, shard_of_folder
from dataflow.errors import ConfigError

SLURM = {"ID": "3", "COUNT": "16", "MIN": "0", "MAX": "15", "STEP": "1"}


def slurm(**changes: str) -> dict[str, str]:
    return {f"SLURM_ARRAY_TASK_{name}": value for name, value in {**SLURM, **changes}.items()}


@pytest.mark.parametrize(
    ("text", "environment", "wanted"),
    [
        ("3/16", {}, "3/16"),
        (" 0 / 1 ", {}, "0/1"),
        ("slurm", slurm(), "3/16"),
        ("slurm", slurm(ID="16", MIN="1", MAX="16"), "15/16"),
        ("slurm", slurm(ID="30", COUNT="4", MAX="30", STEP="10"), "3/4"),
        ("slurm", slurm(ID="8", COUNT="4", MAX="15", STEP="4"), "2/4"),  # --array=0-15:4
        ("slurm", slurm(ID="7", COUNT="3", MIN="5", MAX="9", STEP="2"), "1/3"),
        ("slurm/16", slurm(ID="7", COUNT="2", MIN="3", MAX="7"), "7/16"),
        ("k8s/16", {"JOB_COMPLETION_INDEX": "15"}, "15/16"),
        ("k8s", {"JOB_COMPLETION_INDEX": "0", "JOB_COMPLETIONS": "4"}, "0/4"),
    ],
)
def test_a_shard_is_named_by_numbers_or_by_where_they_stand(
    text: str, environment: Mapping[str, str], wanted: str
) -> None:
    assert str(read_shard(text, environment)) == wanted


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        ("16/16", {}, "shards count from 0, so the first is 0/16 and the last 15/16"),
        ("0/0", {}, "rows are divided into 1 part or more, such as 3/16"),
        ("", {}, "'' names no shard"),
        ("3", {}, "give one as 3/16"),
        ("-1/4", {}, "names no shard"),
        ("slurm", {}, "SLURM_ARRAY_TASK_ID is not set: this is no task of a job array"),
        ("slurm", slurm(ID="3", COUNT="2", MIN="3", MAX="7"), "keep --array, and say of how many: DF_SHARD=slurm/16"),
        ("slurm", slurm(ID="4", COUNT="8", MIN="1", MAX="15", STEP="2"), "with gaps"),
        ("k8s", {"JOB_COMPLETION_INDEX": "3"}, "DF_SHARD=k8s/16"),
        ("k8s/16", {}, "JOB_COMPLETION_INDEX is not set: this is no task of an indexed job"),
        ("k8s/16", {"JOB_COMPLETION_INDEX": "16"}, "shards count from 0"),
    ],
)
def test_what_names_no_shard_is_refused_with_the_fix(text: str, environment: Mapping[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_shard(text, environment)


def test_a_folder_is_named_after_its_shard_and_back() -> None:
    for shard, folder in (Shard(3, 16), "shard-003-of-016"), (Shard(1200, 2000), "shard-1200-of-2000"):
        assert shard.folder == folder
        assert shard_of_folder(folder) == shard
    for other in ("shard-16-of-16", "shard-0003-of-016", "shard-016-of-016", "target_images"):
        assert shard_of_folder(other) is None


def test_each_row_is_of_one_shard_and_shards_are_of_like_size() -> None:
    sizes = Counter[int]()
    for n in range(2000):
        (owner,) = [i for i in range(16) if Shard(i, 16).has({"prompt": f"row {n}", "n": n}, ["prompt"])]
        sizes[owner] += 1
    assert min(sizes.values()) > 80
    assert max(sizes.values()) < 175


MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "a red hat "}]


@pytest.mark.parametrize(
    "one_and_other",
    [
        ({"t": "a red hat", "i": "a.png", "m": None}, {"t": MESSAGES, "i": ["./a.png"], "other": 5}),
        ({"t": [{"content": "a red hat"}]}, {"t": [{"from": "human", "value": "a red hat"}], "m": float("nan")}),
        ({"t": ["a red hat"], "m": ""}, {"t": "a red hat", "m": []}),
    ],
)
def test_rows_that_ask_the_same_in_other_forms_are_of_one_shard(one_and_other: tuple[dict[str, Any], ...]) -> None:
    for shard in (Shard(index, 101) for index in range(101)):
        one, other = (shard.has(row, ["t", "i", "m"]) for row in one_and_other)
        assert one == other


def test_words_that_move_to_another_column_ask_something_else() -> None:
    asked: list[Row] = [{"a": "x", "b": "y"}, {"a": "xy"}, {"b": "xy"}, {"a": ["x", "y"]}]
    owners = [[Shard(index, 1009).has(row, ["a", "b"]) for index in range(1009)].index(True) for row in asked]
    assert len({*owners}) == 4

"""The names of a cache directory's hidden files, and its shards."""

from pathlib import Path

import pytest

from dataflow.core.shard import Shard
from dataflow.utils.cache_folder import CacheFolder, root_of, shards_in


def test_shards_are_found_by_the_names_of_their_folders_in_order(tmp_path: Path) -> None:
    shards = [Shard(10, 11), Shard(2, 11), Shard(0, 2)]
    for shard in shards:
        (tmp_path / shard.folder).mkdir()
    (tmp_path / "shard-1-of-2").mkdir()
    assert [shard for shard, _ in shards_in(tmp_path)] == [Shard(0, 2), Shard(2, 11), Shard(10, 11)]
    assert shards_in(tmp_path)[0][1] == tmp_path / "shard-000-of-002"


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder_has_no_shards(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert shards_in(tmp_path / name) == []


def test_a_folder_is_a_shards_only_if_it_holds_origins(tmp_path: Path) -> None:
    folder = tmp_path / Shard(1, 2).folder
    folder.mkdir()
    assert (root_of(folder), root_of(tmp_path)) == (folder, tmp_path)
    CacheFolder(folder).all_origins.mkdir(parents=True)
    assert root_of(folder) == tmp_path


def test_files_of_a_prefix_with_a_folder_lie_beside_the_others(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path)
    assert folder.status("sub/x_step1") == tmp_path / ".dataflow/status/sub%2Fx_step1.json"
    assert folder.origins(tmp_path / "sub/x_step1.jsonl") == tmp_path / ".dataflow/origins/sub%2Fx_step1.jsonl.u64"

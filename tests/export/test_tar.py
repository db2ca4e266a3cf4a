"""Tar shards: where one ends, and that nothing of the machine is in them."""

import tarfile
from pathlib import Path

from dataflow.export.tar import TarShards


def written(folder: Path, shard: int) -> list[Path]:
    folder.mkdir()
    shards = TarShards(folder, "train", shard=shard)
    for number in range(5):
        shards.add(f"row_{number}", {"input0.png": b"a" * 600, "json": b"{}"})
    shards.close()
    return list(shards.paths)


def test_a_shard_ends_before_it_is_too_large(tmp_path: Path) -> None:
    """A sample takes 512 + 1,024 bytes for its picture and 512 + 512 for the JSON."""
    paths = written(tmp_path / "a", 2 * 2_560)
    assert [path.name for path in paths] == ["train-00000.tar", "train-00001.tar", "train-00002.tar"]
    names = []
    for path in paths:
        with tarfile.open(path) as tar:
            names += tar.getnames()
    assert names == [f"row_{number}.{ending}" for number in range(5) for ending in ("input0.png", "json")]


def test_a_sample_larger_than_a_shard_is_one_alone(tmp_path: Path) -> None:
    assert len(written(tmp_path / "a", 100)) == 5


def test_neither_time_nor_owner_is_in_it(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a", 1 << 20), written(tmp_path / "b", 1 << 20)
    assert one[0].read_bytes() == other[0].read_bytes()
    with tarfile.open(one[0]) as tar:
        member = tar.getmembers()[0]
    assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
    assert tar.format == tarfile.USTAR_FORMAT or one[0].read_bytes()[257:263] == b"ustar\0"

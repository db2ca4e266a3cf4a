"""A checkpoint is identified by the contents of its files."""

import json
import os
from pathlib import Path

import pytest

from dataflow.models.digests import digest_files


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_names_and_contents_count_and_the_folder_does_not(tmp_path: Path) -> None:
    one, two = (write(tmp_path / folder / "vae" / "a.bin", "weights") for folder in ("one", "two"))
    same = digest_files(tmp_path / "one", [one])
    assert digest_files(tmp_path / "two", [two]) == same
    two.write_text("Weights")
    os.utime(two, ns=(1, 1))
    assert digest_files(tmp_path / "two", [two]) != same
    assert digest_files(tmp_path, [one]) != same


def test_an_unchanged_file_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin", "weights")
    before = digest_files(tmp_path, [path])
    assert digest_files(tmp_path, [path]) == before
    store = tmp_path / "user-cache" / "dataflow-mm" / "digests.json"
    store.write_text(json.dumps(dict.fromkeys(json.loads(store.read_text()), "remembered")))
    assert digest_files(tmp_path, [path]) != before


def test_other_weights_of_the_same_size_and_time_are_another_model(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin", "weights")
    before, times = digest_files(tmp_path, [path]), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_text("WEIGHTS")
    os.utime(path, ns=times)
    assert digest_files(tmp_path, [path]) != before
    other = write(tmp_path / "b.bin", "weightS")
    os.utime(other, ns=times)
    other.replace(path)
    assert digest_files(tmp_path, [path]) != before


@pytest.mark.parametrize("content", ["{", "[]", None])
def test_a_cache_that_cannot_be_used_costs_only_time(content: str | None, tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin", "weights")
    if content is None:
        (tmp_path / "user-cache").write_text("a file where a folder belongs")
    else:
        write(tmp_path / "user-cache" / "dataflow-mm" / "digests.json", content)
    assert len(digest_files(tmp_path, [path])) == 64

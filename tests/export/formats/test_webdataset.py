"""WebDataset and `datasets` read the shards, of which each set has samples of one form."""

import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np

from dataflow.export import export
from tests.kit.awkward import WORDS
from tests.kit.exports import cache_of, row
from tests.kit.formats import Awkward, check_masks, check_reads, check_same_bytes, differ, session_of
from tests.kit.table_loaders import tar_samples, webdataset

IDS = ("row_0", "row_1", "row_2", "007", "第五行", "row_5", "row_6", "row_7")
READ_SHARDS = """\
import sys, numpy, webdataset
samples = webdataset.WebDataset(sys.argv[2:], shardshuffle=False).decode("pil")
found = {}
for sample in samples:
    names = sorted(name for name in sample if name.startswith("input"))
    names += [name for name in sample if name.startswith("output")]
    found |= {f"{sample['json']['id']} {k}": numpy.asarray(sample[name]) for k, name in enumerate(names)}
numpy.savez(sys.argv[1], **found)
"""


def test_the_loader_gets_every_pixel_input_and_word(tables: Awkward) -> None:
    out, rows = tables
    check_reads(webdataset(out, "train"), rows, words=WORDS, in_order=False)


def test_masks_go_along(tmp_path: Path) -> None:
    check_masks(tmp_path, "webdataset", webdataset)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    check_same_bytes(tmp_path, "webdataset")


def test_a_conversation_is_one_sample_a_turn(tmp_path: Path) -> None:
    export(cache_of(tmp_path / "cache", [session_of(tmp_path)]), "webdataset", tmp_path / "out")
    assert [each.words for each in webdataset(tmp_path / "out", "train")] == ["turn 1", "turn 2", "turn 3"]


def test_datasets_reads_the_shards_though_the_first_samples_know_less(tmp_path: Path) -> None:
    rows = [row(tmp_path, number, verdict=None) for number in range(8)] + [row(tmp_path, 8)]
    export(cache_of(tmp_path / "cache", rows), "webdataset", tmp_path / "out")
    shards = [str(path) for path in (tmp_path / "out/webdataset").iterdir()]
    found = datasets.load_dataset("webdataset", data_files=shards, split="train", cache_dir=str(tmp_path / "hf"))
    assert [each["json"]["score"] for each in found] == [-1.0] * 8 + [8.5]
    assert [each["json"]["accepted"] for each in found] == [-1] * 8 + [1]
    assert found[8]["json"]["axes"] == {"following": 9.0, "preservation": 8.0}


def test_webdataset_itself_reads_the_shards(tables: Awkward, tmp_path: Path) -> None:
    """In a process of its own, since the library leaves files open."""
    out, rows = tables
    shards = sorted(str(path) for path in (out / "webdataset").iterdir())
    subprocess.run([sys.executable, "-c", READ_SHARDS, str(tmp_path / "got.npz"), *shards], check=True)
    with np.load(tmp_path / "got.npz") as got:
        expected = {
            f"{identity} {k}": pixels
            for identity, row_ in zip(IDS, rows, strict=True)
            for k, pixels in enumerate([*row_.inputs, row_.edited])
        }
        assert set(got) == set(expected)
        assert max(differ(got[name], pixels) for name, pixels in expected.items()) <= 1


def test_samples_of_a_set_of_shards_have_the_same_members(tables: Awkward) -> None:
    out, _ = tables
    for path in (out / "webdataset").iterdir():
        names = {tuple(sorted(sample)) for sample in tar_samples([path])}
        assert len(names) == 1, path.name

"""UniWorld-V1 reads lists of pictures and conversations, which the columns of `data.txt` name."""

from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.export import export
from tests.kit.exports import cache_of, row
from tests.kit.formats import Awkward, check_reads, check_splits, with_at_most
from tests.kit.tree_loaders import uniworld


def test_the_loader_gets_every_pixel_input_and_word(trees: Awkward) -> None:
    out, rows = trees
    check_reads(uniworld(out, "train"), with_at_most(rows, 8), in_order=False)


def test_splits_have_files_of_their_own(tmp_path: Path) -> None:
    check_splits(tmp_path, "uniworld", uniworld)


def test_a_comma_in_the_path_is_refused(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1)])
    with pytest.raises(ConfigError, match="uniworld parts columns by commas"):
        export(cache, "uniworld", tmp_path / "a, b")
    assert not (tmp_path / "a, b").exists()
    assert not (tmp_path / "a, b.part").exists()


def test_an_instruction_with_the_models_own_mark_is_refused(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "write <image> on it"}]
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1, conversations=said)])
    with pytest.raises(ConfigError, match="uniworld takes an instruction's <image> for a picture"):
        export(cache, "uniworld", tmp_path / "out")

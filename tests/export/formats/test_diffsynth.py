"""DiffSynth-Studio reads lists of pictures, and one picture as a string for models that take one."""

from pathlib import Path

from tests.kit.formats import Awkward, check_reads, check_splits, with_at_most
from tests.kit.tree_loaders import diffsynth


def test_the_loader_gets_every_pixel_input_and_word(trees: Awkward) -> None:
    out, rows = trees
    check_reads(diffsynth(out, "train"), with_at_most(rows, 16))


def test_models_of_one_picture_get_strings(trees: Awkward) -> None:
    out, rows = trees
    check_reads(diffsynth(out, "train", file="_single"), with_at_most(rows, 1))


def test_splits_have_files_of_their_own(tmp_path: Path) -> None:
    check_splits(tmp_path, "diffsynth", diffsynth)

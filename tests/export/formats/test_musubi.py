"""musubi-tuner reads a file for each number of inputs, since a line of another number raises nothing."""

from pathlib import Path

from tests.kit.formats import Awkward, check_reads, check_splits, with_at_most
from tests.kit.tree_loaders import musubi


def test_the_loader_gets_every_pixel_input_and_word(trees: Awkward) -> None:
    out, rows = trees
    check_reads(musubi(out, "train"), with_at_most(rows, 9), in_order=False)


def test_splits_have_files_of_their_own(tmp_path: Path) -> None:
    check_splits(tmp_path, "musubi", musubi)

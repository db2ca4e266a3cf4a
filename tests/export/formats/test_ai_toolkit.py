"""ai-toolkit finds controls and masks by the stem of their target, in folders for each number of inputs."""

from pathlib import Path

from tests.kit.formats import Awkward, check_masks, check_reads, check_splits, with_at_most
from tests.kit.tree_loaders import ai_toolkit


def test_the_loader_gets_every_pixel_input_and_word(trees: Awkward) -> None:
    out, rows = trees
    check_reads(ai_toolkit(out, "train"), with_at_most(rows, 3), in_order=False)


def test_rows_with_masks_lie_apart_and_keep_them(tmp_path: Path) -> None:
    check_masks(tmp_path, "ai-toolkit", ai_toolkit)


def test_splits_have_files_of_their_own(tmp_path: Path) -> None:
    check_splits(tmp_path, "ai-toolkit", ai_toolkit)

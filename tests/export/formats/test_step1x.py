"""Step1X-Edit reads one JSON object of targets, each with its one source and its instruction."""

from pathlib import Path

from tests.kit.formats import Awkward, check_reads, check_splits, with_at_most
from tests.kit.tree_loaders import step1x


def test_the_loader_gets_every_pixel_input_and_word(trees: Awkward) -> None:
    out, rows = trees
    check_reads(step1x(out, "train"), with_at_most(rows, 1))


def test_splits_have_files_of_their_own(tmp_path: Path) -> None:
    check_splits(tmp_path, "step1x", step1x)

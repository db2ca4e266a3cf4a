"""diffusion-pipe finds control, mask and text by the stem of their target, and several wordings in `captions.json`."""

from pathlib import Path

from dataflow.export import export
from tests.kit.exports import cache_of, row
from tests.kit.formats import Awkward, check_masks, check_reads, check_splits, with_at_most
from tests.kit.tree_loaders import ai_toolkit, diffusion_pipe


def test_the_loader_gets_every_pixel_input_and_word(trees: Awkward) -> None:
    out, rows = trees
    check_reads(diffusion_pipe(out, "train"), with_at_most(rows, 1), in_order=False)


def test_rows_with_masks_lie_apart_and_keep_them(tmp_path: Path) -> None:
    check_masks(tmp_path, "diffusion-pipe", diffusion_pipe)


def test_splits_have_files_of_their_own(tmp_path: Path) -> None:
    check_splits(tmp_path, "diffusion-pipe", diffusion_pipe)


def test_every_wording_arrives_and_disturbs_no_other_format(tmp_path: Path) -> None:
    forms = [{"content": "ändere es", "language": "de"}, {"content": "改一下", "language": "zh"}]
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1, instructions=forms), row(tmp_path, 2)])
    export(cache, "diffusion-pipe,ai-toolkit", tmp_path / "out")
    got = [each.words for each in diffusion_pipe(tmp_path / "out", "train")]
    assert got == ["paint thing number 1 blue", "ändere es", "改一下", "paint thing number 2 blue"]
    assert len(list(ai_toolkit(tmp_path / "out", "train"))) == 2

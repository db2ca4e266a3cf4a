"""SimpleTuner pairs targets with their conditioning pictures by name and ending, one data set for each input."""

from pathlib import Path

import pytest

from tests.kit.formats import Awkward, check_masks, check_reads, check_splits, with_at_most
from tests.kit.tree_loaders import simpletuner


def test_the_loader_gets_every_pixel_input_and_word(trees: Awkward) -> None:
    out, rows = trees
    check_reads(simpletuner(out, "train"), with_at_most(rows, 3), in_order=False)


def test_rows_with_masks_lie_apart_and_keep_them(tmp_path: Path) -> None:
    check_masks(tmp_path, "simpletuner", simpletuner)


def test_splits_have_files_of_their_own(tmp_path: Path) -> None:
    check_splits(tmp_path, "simpletuner", simpletuner)


@pytest.mark.parametrize("name", ["simpletuner", "simpletuner-dpo"])
def test_the_command_has_settings_as_words_and_takes_all_conditioning_sets_at_once(
    commands: dict[str, list[str]], name: str
) -> None:
    program, verb, *settings = commands[name]
    assert (program, verb) == ("simpletuner", "train")
    said = dict(each.split("=", 1) for each in settings)
    assert not any(key.startswith("-") for key in said)
    assert said["conditioning_multidataset_sampling"] == "combined"
    assert Path(said["data_backend_config"]).is_file()

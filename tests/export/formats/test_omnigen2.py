"""OmniGen2 reads a JSONL of up to four inputs, which a YAML names."""

from pathlib import Path

from tests.kit.formats import Awkward, check_reads, check_splits, with_at_most
from tests.kit.tree_loaders import omnigen2


def test_the_loader_gets_every_pixel_input_and_word(trees: Awkward) -> None:
    out, rows = trees
    check_reads(omnigen2(out, "train"), with_at_most(rows, 4))


def test_splits_have_files_of_their_own(tmp_path: Path) -> None:
    check_splits(tmp_path, "omnigen2", omnigen2)


def test_the_command_names_its_data_and_a_config(commands: dict[str, list[str]]) -> None:
    words = commands["omnigen2"]
    assert Path(words[words.index("--data_path") + 1]).is_file()
    assert "--config" in words

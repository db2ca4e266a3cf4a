"""diffusers' trainers get one picture in and one out, in the columns that their flags name."""

from pathlib import Path

import datasets
import numpy as np

from tests.kit.awkward import WORDS
from tests.kit.formats import Awkward, check_reads, check_same_bytes, differ
from tests.kit.table_loaders import dreambooth


def words_of_one_input(tables: Awkward) -> list[str]:
    return [words for each, words in zip(tables[1], WORDS, strict=True) if len(each.inputs) == 1]


def test_dreambooth_gets_every_pixel_and_word(tables: Awkward) -> None:
    out, rows = tables
    expected = [each for each in rows if len(each.inputs) == 1]
    check_reads(dreambooth(out, "train"), expected, words=words_of_one_input(tables))


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    check_same_bytes(tmp_path, "diffusers")


def test_datasets_opens_it(tables: Awkward, tmp_path: Path) -> None:
    out, rows = tables
    trained = datasets.load_dataset(str(out / "diffusers"), cache_dir=str(tmp_path))["train"]
    by_words = dict(zip(WORDS, rows, strict=True))
    assert len(trained) == len(words_of_one_input(tables))
    for each in trained:
        assert differ(np.asarray(each["input_image"]), by_words[each["edit_prompt"]].inputs[0]) <= 1


def test_the_command_names_a_model_and_keeps_every_row_and_shape(commands: dict[str, list[str]]) -> None:
    words = commands["diffusers"]
    assert "--pretrained_model_name_or_path" in words
    assert "--use_aspect_ratio_buckets" in words
    assert words[words.index("--train_batch_size") + 1] == "1"

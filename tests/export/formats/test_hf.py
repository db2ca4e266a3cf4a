"""`load_dataset` opens an export with every picture in it and all that is known of each row."""

import ast
from pathlib import Path

import datasets
import numpy as np

from dataflow.export import export
from tests.kit.awkward import WORDS
from tests.kit.exports import cache_of, row
from tests.kit.formats import Awkward, check_masks, check_reads, check_same_bytes, differ, session_of
from tests.kit.table_loaders import hf, parquet_rows


def test_the_loader_gets_every_pixel_input_and_word(tables: Awkward) -> None:
    out, rows = tables
    check_reads(hf(out, "train"), rows, words=WORDS)  # ends of lines and quotes too


def test_masks_go_along(tmp_path: Path) -> None:
    check_masks(tmp_path, "hf", hf)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    check_same_bytes(tmp_path, "hf")


def test_a_conversation_is_one_row_a_turn(tmp_path: Path) -> None:
    export(cache_of(tmp_path / "cache", [session_of(tmp_path)]), "hf", tmp_path / "out")
    found = list(parquet_rows(tmp_path / "out/data", "train"))
    assert [each["instruction"] for each in found] == ["turn 1", "turn 2", "turn 3"]
    assert [(each["parent_id"], each["relation"], each["score"]) for each in found] == [
        ("row_1", "turn", score) for score in (8.0, 9.0, 10.0)
    ]


def test_every_wording_stands_in_the_captions(tmp_path: Path) -> None:
    forms = [
        {"content": "mach es blau", "language": "de", "length": "short"},
        {"content": "改成蓝色", "language": "zh"},
    ]
    export(cache_of(tmp_path / "cache", [row(tmp_path, 1, instructions=forms)]), "hf", tmp_path / "out")
    (found,) = parquet_rows(tmp_path / "out/data", "train")
    assert [(each["text"], each["language"], each["length"]) for each in found["captions"]][1:] == [
        ("mach es blau", "de", "short"),
        ("改成蓝色", "zh", ""),
    ]


def test_datasets_opens_it(tables: Awkward, tmp_path: Path) -> None:
    out, rows = tables
    found = datasets.load_dataset(str(out / "data"), split="train", cache_dir=str(tmp_path))
    assert found.features["images"] == datasets.List(datasets.Image())
    assert found.features["edited_image"] == datasets.Image()
    assert [len(each["images"]) for each in found] == [len(each.inputs) for each in rows]
    assert all(
        differ(np.asarray(image), pixels) <= 1
        for each, row_ in zip(found, rows, strict=True)
        for image, pixels in zip(each["images"], row_.inputs, strict=True)
    )


def test_the_command_opens_a_folder_with_a_space(commands: dict[str, list[str]]) -> None:
    program, flag, code = commands["hf"]
    assert (program, flag) == ("python", "-c")
    path = next(node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant))
    assert Path(str(path), "README.md").is_file()

"""BAGEL draws a stretch of a conversation and one of its wordings, and deals groups of rows out to workers."""

import json
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.export import export
from tests.kit.awkward import WORDS, awkward_cache
from tests.kit.exports import cache_of, row
from tests.kit.formats import Awkward, check_reads, check_same_bytes, session_of
from tests.kit.table_loaders import bagel, opened, parquet_rows


def test_the_loader_gets_every_pixel_input_and_word(tables: Awkward) -> None:
    out, rows = tables
    one = [(each, words) for each, words in zip(rows, WORDS, strict=True) if len(each.inputs) == 1]
    check_reads(bagel(out, "train"), [each for each, _ in one], words=[words for _, words in one])


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    check_same_bytes(tmp_path, "bagel")


def test_a_conversation_is_a_chain(tmp_path: Path) -> None:
    talk = session_of(tmp_path)
    export(cache_of(tmp_path / "cache", [talk]), "bagel", tmp_path / "out")
    (found,) = parquet_rows(tmp_path / "out/bagel/train", "train")
    pictures = [*talk["images"], *talk["edited_images"]]
    assert found["image_list"] == [Path(path).read_bytes() for path in pictures]
    assert found["instruction_list"] == [["turn 1"], ["turn 2"], ["turn 3"]]
    edits = {tuple(map(pixels, pictures[at : at + 2])): f"turn {at + 1}" for at in range(3)}
    reads = [read for seed in range(20) for read in bagel(tmp_path / "out", "train", seed=seed)]
    assert {edits[read.inputs[0].tobytes(), read.edited.tobytes()] for read in reads} == set(edits.values())
    assert all(edits[read.inputs[0].tobytes(), read.edited.tobytes()] == read.words for read in reads)


def pixels(path: str) -> bytes:
    return opened(Path(path).read_bytes()).tobytes()


def test_a_conversation_that_goes_back_arrives_turn_by_turn(tmp_path: Path) -> None:
    talk = session_of(tmp_path)
    talk["turns"][2]["version"] = 2
    export(cache_of(tmp_path / "cache", [talk]), "bagel", tmp_path / "out")
    found = list(parquet_rows(tmp_path / "out/bagel/train", "train"))
    assert [each["instruction_list"] for each in found] == [[["turn 1"]], [["turn 2"]], [["turn 3"]]]
    assert found[2]["image_list"] == [Path(talk["edited_images"][k]).read_bytes() for k in (0, 2)]


def test_it_draws_among_all_wordings(tmp_path: Path) -> None:
    forms = ["mach es blau", {"content": "改成蓝色", "language": "zh"}]
    export(cache_of(tmp_path / "cache", [row(tmp_path, 1, instructions=forms)]), "bagel", tmp_path / "out")
    (found,) = parquet_rows(tmp_path / "out/bagel/train", "train")
    assert found["instruction_list"] == [["paint thing number 1 blue", "mach es blau", "改成蓝色"]]


def test_each_worker_of_eight_ranks_gets_rows_of_a_small_set(tmp_path: Path) -> None:
    export(cache_of(tmp_path / "cache", [row(tmp_path, 1)]), "bagel", tmp_path / "out")
    (read,) = bagel(tmp_path / "out", "train", ranks=8, workers=4)
    assert read.words == "paint thing number 1 blue"


def test_there_are_groups_for_many_workers_though_rows_are_few(tmp_path: Path) -> None:
    """A worker that gets no group of rows waits for ever."""
    export(cache_of(tmp_path / "cache", [row(tmp_path, number) for number in range(12)]), "bagel", tmp_path / "out")
    (known,) = json.loads((tmp_path / "out/bagel/train_parquet_info.json").read_bytes()).values()
    assert known == {"num_row_groups": 12, "num_rows": 12}
    assert len(list(bagel(tmp_path / "out", "train", ranks=4))) == 3


def test_rows_of_several_inputs_are_refused_by_name(tmp_path: Path) -> None:
    cache, _ = awkward_cache(tmp_path)
    with pytest.raises(ConfigError, match="bagel takes 1 input picture, and this has more"):
        export(cache, "bagel", tmp_path / "out")

"""What trainers of preferences and of judges get of pairs: which edit is the better one, every pixel, every word."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataflow.core.records import Row
from dataflow.errors import ConfigError
from dataflow.export import export
from dataflow.judging.answers import read_choice
from dataflow.judging.pair import BETTER, CHOICES
from tests.kit import tree_loaders as load
from tests.kit.awkward import Pixels, awkward_cache
from tests.kit.exports import STEP, cache_of, photo, row

INPUTS = (1, 2, 1)


def pair(folder: Path, number: int, inputs: int, **columns: object) -> Row:
    """A better edit of blue and a worse one, each with its verdict."""
    sources = [str(photo(folder / f"p{number}_{k}.png", 10 * number + k)) for k in range(inputs)]
    better, worse = photo(folder / f"better_{number}.png", 500 + number), photo(folder / f"worse_{number}.jpg", number)
    axes = {"following": 9.0, "preservation": 8.0, "naturalness": 7.0, "artefacts": 10.0}
    verdicts = [
        {"accepted": True, "axes": axes, "critique": ""},
        {"accepted": False, "axes": {**axes, "following": 1.0}, "critique": "the vase is still green"},
    ]
    return {
        "images": sources,
        "conversations": [{"role": "user", "content": f'make vase {number} "blue"'}],
        "edited_images": [str(better), str(worse)],
        "verdict": {"axis": "following", "margin": 8.0, "verdicts": verdicts},
        **columns,
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    folder = tmp_path_factory.mktemp("pairs")
    pairs = [pair(folder / "pictures", number, inputs) for number, inputs in enumerate(INPUTS)]
    cache = cache_of(folder / "cache", [row(folder / "pictures", 9)], pairs=pairs)
    export(cache, "simpletuner-dpo,editreward,ms-swift,llama-factory", folder / "out", skip=True)
    return folder / "out", pairs


def pixels(path: str | Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def is_same(one: str | Path, other: str | Path) -> bool:
    return np.array_equal(pixels(one), pixels(other))


def test_simpletuner_has_the_worse_edit_as_the_strict_reference(exported: tuple[Path, list[Row]]) -> None:
    """Its distiller takes the first `reference_strict` of a target; sources are loose."""
    out, pairs = exported
    backends = {each["id"]: each for each in json.loads((out / "simpletuner-dpo" / "train.json").read_text())}
    found = {}
    for data in (each for each in backends.values() if each["dataset_type"] == "image"):
        others = [backends[name] for name in data["conditioning_data"]]
        strict = [each for each in others if each["conditioning_type"] == "reference_strict"]
        loose = [each for each in others if each["conditioning_type"] == "reference_loose"]
        assert len(strict) == 1
        assert all(each["source_dataset_id"] == data["id"] for each in others)
        for path in Path(data["instance_data_dir"]).glob("*.png"):
            loser, *sources = (Path(each["instance_data_dir"]) / path.name for each in [*strict, *loose])
            found[path.with_suffix(".txt").read_text(encoding="utf-8")] = (path, loser, sources)
    for each in pairs:
        path, loser, sources = found.pop(each["conversations"][0]["content"])
        assert is_same(path, each["edited_images"][0])
        assert is_same(loser, each["edited_images"][1])
        assert [is_same(*both) for both in zip(sources, each["images"], strict=True)] == [True] * len(sources)
    assert not found


def test_editreward_has_the_better_edit_first_with_its_scores(exported: tuple[Path, list[Row]]) -> None:
    """Its reader takes the last score of each model, and skips what it does not find."""
    out, pairs = exported
    items = json.loads((out / "editreward" / "train.json").read_text())
    expected = [each for each in pairs if len(each["images"]) == 1]
    assert [item["prompt"] for item in items] == [each["conversations"][0]["content"] for each in expected]
    for item, each in zip(items, expected, strict=True):
        paths = (item["path_src"], item["path1"], item["path2"])
        given = (*each["images"], *each["edited_images"])
        assert [is_same(*both) for both in zip(paths, given, strict=True)] == [True] * 3
        assert (item["model1_dim1_score"], item["model1_dim2_score"], item["model1_overall_score"]) == (3, 3, 6)
        assert (item["model2_dim1_score"], item["model2_dim2_score"], item["model2_overall_score"]) == (1, 3, 4)


def ms_swift(out: Path) -> Iterator[tuple[str, str, str, list[str]]]:
    """A row whose two answers are equal is dropped; pictures stand where their marks do."""
    for line in (out / "ms-swift" / "train.jsonl").read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        (asked, answer) = item["messages"]
        assert (asked["role"], answer["role"]) == ("user", "assistant")
        assert item["rejected_response"] != answer["content"]
        yield asked["content"], answer["content"], item["rejected_response"], item["images"]


def llama_factory(out: Path) -> Iterator[tuple[str, str, str, list[str]]]:
    """A message of another role than its turn's drops the example."""
    folder = out / "llama-factory"
    described = json.loads((folder / "dataset_info.json").read_text())["train"]
    columns = described["columns"]
    assert (described["formatting"], described["ranking"]) == ("sharegpt", True)
    for item in json.loads((folder / described["file_name"]).read_text(encoding="utf-8")):
        (asked,) = item[columns["messages"]]
        chosen, rejected = item[columns["chosen"]], item[columns["rejected"]]
        assert (asked["from"], chosen["from"], rejected["from"]) == ("human", "gpt", "gpt")
        yield asked["value"], chosen["value"], rejected["value"], item[columns["images"]]


@pytest.mark.parametrize("loader", [ms_swift, llama_factory])
def test_a_judge_is_asked_of_both_orders(exported: tuple[Path, list[Row]], loader: type) -> None:
    out, pairs = exported
    lines = list(loader(out))
    assert len(lines) == 2 * len(pairs)
    for number, (asked, right, wrong, images) in enumerate(lines):
        each = pairs[number // 2]
        assert asked.count("<image>") == len(images) == len(each["images"]) + 2
        assert each["conversations"][0]["content"] in asked
        better = read_choice(right, BETTER, CHOICES)
        assert read_choice(wrong, BETTER, CHOICES) != better
        assert is_same(images[-2:][CHOICES.index(better)], each["edited_images"][0])
        assert is_same(images[-2:][1 - CHOICES.index(better)], each["edited_images"][1])
        worse = CHOICES[1 - CHOICES.index(better)]
        assert json.loads(right)["reasoning"] == f"Picture {worse}: the vase is still green"
    assert [read_choice(right, BETTER, CHOICES) for _, right, _, _ in lines[:4]] == ["A", "B", "A", "B"]


def test_pairs_that_a_format_cannot_take_are_refused_by_name(tmp_path: Path) -> None:
    marked = pair(tmp_path, 1, 1, conversations=[{"role": "user", "content": "put <image> on it"}])
    other = pair(tmp_path, 2, 1)
    photo(Path(other["edited_images"][1]), 7, size=(256, 256))
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 9)], pairs=[marked, other])
    with pytest.raises(ConfigError, match="takes an instruction's <image> for a picture") as refused:
        export(cache, "ms-swift,simpletuner-dpo", tmp_path / "out")
    assert "two edits of one size, and these differ" in str(refused.value)
    assert f"{STEP}.pairs.jsonl:1" in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_editreward_takes_no_pair_without_both_scores(tmp_path: Path) -> None:
    """Its collator cannot join a score that is not there with others."""
    verdicts = [{"accepted": value, "axes": {"following": 9.0}} for value in (True, False)]
    bare = pair(tmp_path, 1, 1, verdict={"axis": "following", "margin": 8.0, "verdicts": verdicts})
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 9)], pairs=[bare, pair(tmp_path, 2, 1)])
    with pytest.raises(ConfigError, match="editreward needs an axis of how an edit looks"):
        export(cache, "editreward", tmp_path / "out")
    export(cache, "editreward", tmp_path / "out", skip=True)
    assert len(json.loads((tmp_path / "out/editreward/train.json").read_text())) == 1


def test_a_step_without_pairs_says_what_makes_some(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pairs come of an accept loop"):
        export(cache_of(tmp_path / "cache", [row(tmp_path, 1)]), "editreward", tmp_path / "out")


def test_uniworld_rl_gets_source_prompt_and_requirement(tmp_path: Path) -> None:
    cache, rows = awkward_cache(tmp_path)
    exported_ = export(cache, "uniworld-rl", tmp_path / "out", skip=True)
    folder = tmp_path / "out" / "uniworld-rl"
    items = [json.loads(line) for line in (folder / "train_metadata.jsonl").read_text("utf-8").splitlines()]
    expected = [each for each in rows if len(each.inputs) == 1]
    assert [item["prompt"] for item in items] == [each.words for each in expected]
    for item, each in zip(items, expected, strict=True):
        got = load.bare(folder / item["image"])
        assert int(np.abs(got.astype(int) - each.inputs[0]).max()) <= 1
    assert "--split test=" in exported_.commands["uniworld-rl"]


def test_uniworld_rl_asks_for_what_makes_its_operation_good(tmp_path: Path) -> None:
    rows = [row(tmp_path, number, sub_type=("recolour", "no such")[number % 2]) for number in range(12)]
    export(cache_of(tmp_path / "cache", rows), "uniworld-rl", tmp_path / "out", split="test=30%")
    folder = tmp_path / "out" / "uniworld-rl"
    items = [
        json.loads(line)
        for split in ("train", "test")
        for line in (folder / f"{split}_metadata.jsonl").read_text("utf-8").splitlines()
    ]
    assert len(items) == 12
    assert {bool(item["requirement"]) for item in items} == {True, False}

"""What each export format is checked for: its trainer's loader gets every pixel, input, word, mask and split."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dataflow.core.records import Row
from dataflow.export import export
from dataflow.judging.answers import read_choice
from dataflow.judging.pair import BETTER, CHOICES
from tests.kit.awkward import Expected, Pixels, awkward_cache
from tests.kit.exports import cache_of, photo, row, tree_of
from tests.kit.tree_loaders import Loader, Read

Awkward = tuple[Path, Sequence[Expected]]
"""An export of the awkward rows, and what a loader must get of them."""


def differ(one: Pixels, other: Pixels) -> int:
    """The largest difference of two pictures of one shape, in levels of 8 bits."""
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other).max())


def check_reads(
    reads: Iterable[Read], expected: Sequence[Expected], *, words: Sequence[str] = (), in_order: bool = True
) -> None:
    """Check that a loader got every pixel, input and word.

    Args:
        reads: what the loader gave.
        expected: what it must give, in order.
        words: the instructions of `expected`; empty: those on one line.
        in_order: false for a loader that reads folder by folder or file by file.
    """
    got = list(reads)
    wanted = words or [each.words for each in expected]
    if not in_order:
        by_words = {each.words: each for each in got}
        assert len(by_words) == len(got)
        got = [by_words[each] for each in wanted]
    assert [each.words for each in got] == list(wanted)
    for read, row_ in zip(got, expected, strict=True):
        assert [differ(*pair) <= 1 for pair in zip(read.inputs, row_.inputs, strict=True)] == [True] * len(read.inputs)
        assert differ(read.edited, row_.edited) <= 1


def with_at_most(expected: Sequence[Expected], inputs: int) -> list[Expected]:
    """Those awkward rows that have at most so many input pictures."""
    return [each for each in expected if len(each.inputs) <= inputs]


def masked_row(folder: Path, number: int) -> Row:
    """A row with a mask that is white in one rectangle."""
    mask = np.zeros((256, 320), np.uint8)
    mask[40:90, 60:200] = 255
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(folder / f"mask_{number}.png")
    return row(folder, number, mask=str(folder / f"mask_{number}.png"))


def check_masks(folder: Path, name: str, loader: Loader) -> None:
    """Check that a row's mask arrives with it, and that rows without one stay without."""
    pictures = folder / "pictures"
    cache = cache_of(folder / "cache", [row(pictures, 1), masked_row(pictures, 2), row(pictures, 3)])
    export(cache, name, folder / "out")
    masks = {each.words: each.mask for each in loader(folder / "out", "train")}
    mask = masks.pop("paint thing number 2 blue")
    assert list(masks.values()) == [None, None]
    assert mask is not None
    pixels = mask.reshape(256, 320, -1)[..., 0]
    assert set(np.unique(pixels)) == {0, 255}
    assert pixels[40:90, 60:200].min() == 255
    assert int((pixels == 255).sum()) == 50 * 140


def check_splits(folder: Path, name: str, loader: Loader) -> None:
    """Check that each split has files of its own, and that no row is in both or in none."""
    cache = cache_of(folder / "cache", [row(folder, number) for number in range(12)])
    export(cache, name, folder / "out", split="test=30%")
    train, test = ({each.words for each in loader(folder / "out", split)} for split in ("train", "test"))
    assert train
    assert test
    assert len(train) + len(test) == 12


def check_same_bytes(folder: Path, name: str) -> None:
    """Check that two exports of the same rows have the same bytes."""
    cache, _ = awkward_cache(folder)
    trees = []
    for number in range(2):
        export(cache, name, folder / "out", skip=True, split="test=30%")
        trees.append(tree_of(folder / "out"))
        (folder / "out").rename(folder / f"out_{number}")
    assert trees[0] == trees[1]


def pixels_of(path: str | Path) -> Pixels:
    """A picture file as RGB."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def are_same(one: str | Path, other: str | Path) -> bool:
    """Whether two picture files have the same pixels."""
    return np.array_equal(pixels_of(one), pixels_of(other))


def pair_of(folder: Path, number: int, inputs: int, **columns: object) -> Row:
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


def session_of(folder: Path) -> Row:
    """A conversation of three turns, each of which edits what the turn before made."""
    turns = [{"instruction": f"turn {number}", "version": number} for number in (1, 2, 3)]
    edited = [row(folder, number)["edited_images"][0] for number in (1, 2, 3)]
    verdicts = [{"accepted": True, "score": 8.0 + number} for number in range(3)]
    return {**row(folder, 1), "turns": turns, "edited_images": edited, "verdict": verdicts}


def check_pair_questions(lines: Sequence[tuple[str, str, str, Sequence[str]]], pairs: Sequence[Row]) -> None:
    """Check that a judge is asked of each pair in both orders, and told which edit is the better one.

    Args:
        lines: question, right answer, wrong answer and pictures, as the trainer reads them.
        pairs: the rows.
    """
    assert len(lines) == 2 * len(pairs)
    for number, (asked, right, wrong, images) in enumerate(lines):
        each = pairs[number // 2]
        assert asked.count("<image>") == len(images) == len(each["images"]) + 2
        assert each["conversations"][0]["content"] in asked
        better = read_choice(right, BETTER, CHOICES)
        assert read_choice(wrong, BETTER, CHOICES) != better
        assert are_same(images[-2:][CHOICES.index(better)], each["edited_images"][0])
        assert are_same(images[-2:][1 - CHOICES.index(better)], each["edited_images"][1])
        worse = CHOICES[1 - CHOICES.index(better)]
        assert json.loads(right)["reasoning"] == f"Picture {worse}: the vase is still green"
    assert [read_choice(right, BETTER, CHOICES) for _, right, _, _ in lines[:4]] == ["A", "B", "A", "B"]

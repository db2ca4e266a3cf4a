"""What each trainer that reads files gets of eight awkward rows: every pixel, every input in order, every word."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataflow.errors import ConfigError
from dataflow.export import export
from tests.kit import tree_loaders as load
from tests.kit.awkward import Expected, Pixels, awkward_cache
from tests.kit.exports import cache_of, row
from tests.kit.tree_loaders import Read

# Name → its loader, and the most inputs that it takes.
LOADERS: dict[str, tuple[load.Loader, int]] = {
    "ai-toolkit": (load.ai_toolkit, 3),
    "diffsynth": (load.diffsynth, 16),
    "diffusion-pipe": (load.diffusion_pipe, 1),
    "musubi": (load.musubi, 9),
    "omnigen2": (load.omnigen2, 4),
    "simpletuner": (load.simpletuner, 3),
    "step1x": (load.step1x, 1),
    "uniworld": (load.uniworld, 8),
}
FOLDERS = ("ai-toolkit", "diffusion-pipe", "simpletuner")
"""Those that read a folder, and so in the order of names."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Expected]]:
    folder = tmp_path_factory.mktemp("awkward")
    cache, expected = awkward_cache(folder)
    export(cache, ",".join(LOADERS), folder / "out", skip=True)
    return folder / "out", expected


def differ(one: Pixels, other: Pixels) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other).max())


@pytest.mark.parametrize("name", LOADERS)
def test_a_loader_gets_every_pixel_input_and_word(exported: tuple[Path, list[Expected]], name: str) -> None:
    out, rows = exported
    loader, most = LOADERS[name]
    expected = [each for each in rows if len(each.inputs) <= most]
    got = list(loader(out, "train"))
    if name in FOLDERS or name in ("musubi", "uniworld"):  # these have a file for each number of inputs
        by_words = {each.words: each for each in got}
        assert len(by_words) == len(got)
        got = [by_words[each.words] for each in expected]
    assert [each.words for each in got] == [each.words for each in expected]
    for read, row_ in zip(got, expected, strict=True):
        assert len(read.inputs) == len(row_.inputs)
        assert differ(read.edited, row_.edited) <= 1
        assert [differ(*pair) <= 1 for pair in zip(read.inputs, row_.inputs, strict=True)] == [True] * len(read.inputs)


def test_diffsynth_has_strings_for_models_of_one_picture(exported: tuple[Path, list[Expected]]) -> None:
    out, rows = exported
    expected = [each for each in rows if len(each.inputs) == 1]
    got = list(load.diffsynth(out, "train", file="_single"))
    assert [each.words for each in got] == [each.words for each in expected]
    assert all(differ(read.inputs[0], each.inputs[0]) <= 1 for read, each in zip(got, expected, strict=True))


@pytest.mark.parametrize(
    "read", [load.bare, load.turned_on_black, load.first_three_channels, load.on_white], ids=lambda each: each.__name__
)
def test_these_loaders_lose_what_is_not_baked(tmp_path: Path, read: Callable[[Path], Pixels]) -> None:
    """Else the tests above would show nothing: each loses some of the pictures as they lie in the cache."""
    _, rows = awkward_cache(tmp_path)
    pictures = tmp_path / "pictures"
    names = ("turned.jpg", "transparent.png", "grey.png", "cmyk.jpg", "deep.png", "profiled.png")
    lost = [
        name
        for name, each in zip(names, rows, strict=False)
        if (got := read(pictures / name)).shape != each.inputs[0].shape or differ(got, each.inputs[0]) > 1
    ]
    assert "deep.png" in lost
    assert "profiled.png" in lost
    assert len(lost) >= 3


def masked(folder: Path, number: int) -> dict[str, object]:
    mask = np.zeros((256, 320), np.uint8)
    mask[40:90, 60:200] = 255
    Image.fromarray(mask).save(folder / f"mask_{number}.png")
    return {**row(folder, number), "mask": str(folder / f"mask_{number}.png")}


@pytest.mark.parametrize("name", ["ai-toolkit", "diffusion-pipe", "simpletuner"])
def test_rows_with_masks_lie_apart_and_keep_them(tmp_path: Path, name: str) -> None:
    pictures = tmp_path / "pictures"
    cache = cache_of(tmp_path / "cache", [row(pictures, 1), masked(pictures, 2), row(pictures, 3)])
    export(cache, name, tmp_path / "out")
    got = {each.words: each.mask for each in LOADERS[name][0](tmp_path / "out", "train")}
    mask = got.pop("paint thing number 2 blue")
    assert list(got.values()) == [None, None]
    assert mask is not None
    assert set(np.unique(mask)) == {0, 255}
    assert mask[40:90, 60:200].min() == 255


def test_diffusion_pipe_gets_every_wording(tmp_path: Path) -> None:
    forms = [{"content": "ändere es", "language": "de"}, {"content": "改一下", "language": "zh"}]
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1, instructions=forms), row(tmp_path, 2)])
    export(cache, "diffusion-pipe,ai-toolkit", tmp_path / "out")
    got = [each.words for each in load.diffusion_pipe(tmp_path / "out", "train")]
    assert got == ["paint thing number 1 blue", "ändere es", "改一下", "paint thing number 2 blue"]
    assert len(list(load.ai_toolkit(tmp_path / "out", "train"))) == 2


@pytest.mark.parametrize("name", LOADERS)
def test_splits_have_files_of_their_own(tmp_path: Path, name: str) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, number) for number in range(12)])
    export(cache, name, tmp_path / "out", split="test=30%")
    reads: Callable[[str], Iterator[Read]] = partial(LOADERS[name][0], tmp_path / "out")
    train, test = ({each.words for each in reads(split)} for split in ("train", "test"))
    assert train
    assert test
    assert len(train) + len(test) == 12


def test_uniworld_refuses_a_comma_in_the_path(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1)])
    with pytest.raises(ConfigError, match="uniworld parts columns by commas"):
        export(cache, "uniworld", tmp_path / "a, b")
    assert not (tmp_path / "a, b").exists()
    assert not (tmp_path / "a, b.part").exists()

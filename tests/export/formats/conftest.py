"""Exports that the tests of several formats read: awkward rows as trees and as tables, pairs, and command lines."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from dataflow.core.records import Row
from dataflow.export import export
from tests.kit.awkward import awkward_cache
from tests.kit.exports import cache_of, row
from tests.kit.formats import Awkward, pair_of

TREES = "ai-toolkit,diffsynth,diffusion-pipe,musubi,omnigen2,simpletuner,step1x,uniworld"
TABLES = "hf,diffusers,bagel,webdataset"
PAIRS = "simpletuner-dpo,editreward,ms-swift,llama-factory"


def awkward(folder: Path, formats: str) -> Awkward:
    cache, expected = awkward_cache(folder)
    export(cache, formats, folder / "out", skip=True)
    return folder / "out", expected


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Awkward:
    """The awkward rows in all formats whose trainers read picture files."""
    return awkward(tmp_path_factory.mktemp("trees"), TREES)


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Awkward:
    """The awkward rows in all formats whose trainers read parquet or tar."""
    return awkward(tmp_path_factory.mktemp("tables"), TABLES)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sequence[Row]]:
    """Pairs of one and of two input pictures in all formats of pairs, and the rows."""
    folder = tmp_path_factory.mktemp("pairs")
    rows = [pair_of(folder / "pictures", number, inputs) for number, inputs in enumerate((1, 2, 1))]
    cache = cache_of(folder / "cache", [row(folder / "pictures", 9)], pairs=rows)
    export(cache, PAIRS, folder / "out", skip=True)
    return folder / "out", rows


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Name → the words of its command, without the remark behind it; the export's name has a space."""
    folder = tmp_path_factory.mktemp("commands")
    cache = cache_of(folder / "cache", [row(folder, 1)], pairs=[pair_of(folder, 9, 1)])
    done = export(cache, "simpletuner,simpletuner-dpo,diffusers,omnigen2,hf", folder / "a folder")
    return {name: shlex.split(line, comments=True) for name, line in done.commands.items()}

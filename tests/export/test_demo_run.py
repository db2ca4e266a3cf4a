"""A thousand rows of the packaged demo, edited by its model and judged, in every format at once, and read back."""

import json
import subprocess
import sys
from pathlib import Path

import datasets
import mlcroissant
import numpy as np
import pytest
from PIL import Image

from dataflow.demo.edits import make_example
from dataflow.demo.judge import CheckerJudge
from dataflow.demo.phrases import OPERATIONS
from dataflow.demo.rows import edit_row
from dataflow.export import Exported, export
from dataflow.export.formats import FORMATS
from dataflow.operators.core_vision import ImageEditAcceptLoop, ImageEditJudge
from dataflow.scripts.servings import make_serving
from dataflow.utils.storage import FileStorage
from tests.kit import table_loaders as load
from tests.kit import tree_loaders

ROWS = 1_000
COUNT_SAMPLES = """\
import sys, webdataset
samples = webdataset.WebDataset(sys.argv[1:], shardshuffle=False).decode("pil")
print(sorted(sample["json"]["id"] for sample in samples if sample["output.png"].size and sample["input0.png"].size))
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2_400)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Exported]:
    """A judge that errs now and then, so that there are pairs and rejected rows too."""
    folder = tmp_path_factory.mktemp("demo")
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as lines:
        for number in range(ROWS):
            operation = (*OPERATIONS, "compose")[number % (len(OPERATIONS) + 1)]
            made = edit_row(make_example(5, number, split="seen", operation=operation), f"{number}")
            for name, picture in made.pictures.items():
                picture.save(folder / name)
            row = {**made.row, "id": f"row_{number}", "sub_type": operation, "licence": "CC0-1.0"}
            lines.write(json.dumps(row) + "\n")
    cache = folder / "cache"
    judge = ImageEditJudge(CheckerJudge(false_reject=0.1), canaries=False)
    loop = ImageEditAcceptLoop(make_serving("demo", "imageedit", f"{cache}/images"), judge, gates=False, tries=2)
    loop.run(FileStorage(str(folder / "rows.jsonl"), str(cache)).step())
    done = export(cache, ",".join(FORMATS), folder / "out", split="test=5%", skip=True)
    print(done)
    return folder / "out", done


def ids_of(out: Path, split: str) -> set[str]:
    return {path.stem for path in (out / split).glob("inputs_*/targets/*.png")}


def test_every_format_has_its_rows(exported: tuple[Path, Exported]) -> None:
    _, done = exported
    assert set(done.formats) == set(FORMATS)
    assert all(done.formats.values())
    assert done.formats["hf"] == done.formats["webdataset"] == done.formats["musubi"] > 0.7 * ROWS
    assert done.not_judged == 0
    assert done.formats["bagel"] == done.formats["diffusers"] < done.formats["hf"]


@pytest.mark.parametrize("split", ["train", "test"])
def test_load_dataset_reads_what_lies_in_the_tree(exported: tuple[Path, Exported], split: str, tmp_path: Path) -> None:
    out, done = exported
    found = datasets.load_dataset(str(out), split=split, cache_dir=str(tmp_path))
    assert len(found) == done.splits[split]
    assert {each["id"] for each in found} == ids_of(out, split)
    for each in found:
        folder = out / split / f"inputs_{len(each['images'])}"
        with Image.open(folder / "targets" / f"{each['id']}.png") as image:
            assert (np.asarray(image) == np.asarray(each["edited_image"])).all()
        for k, given in enumerate(each["images"], start=1):
            with Image.open(folder / f"control_{k}" / f"{each['id']}.png") as image:
                assert (np.asarray(image) == np.asarray(given)).all()
        assert each["edited_image_by"]["request"]
        assert each["accepted"] is True


def test_webdataset_reads_all_of_it(exported: tuple[Path, Exported]) -> None:
    out, _ = exported
    shards = sorted(str(path) for path in (out / "webdataset").glob("*.tar"))
    done = subprocess.run([sys.executable, "-c", COUNT_SAMPLES, *shards], capture_output=True, text=True, check=True)
    assert eval(done.stdout) == sorted(ids_of(out, "train") | ids_of(out, "test"))


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated", "ignore:The inplace keyword")  # by mlcroissant
def test_croissant_reads_all_of_it(exported: tuple[Path, Exported]) -> None:
    out, done = exported
    found = mlcroissant.Dataset(jsonld=str(out / "croissant.json"))
    assert not found.metadata.issues.errors
    for split, count in done.splits.items():
        assert sum(1 for _ in found.records(f"default_{split}")) == count


@pytest.mark.parametrize("name", ["ai_toolkit", "diffsynth", "musubi", "omnigen2", "simpletuner", "uniworld"])
def test_readers_of_the_tree_get_the_same_rows(exported: tuple[Path, Exported], name: str) -> None:
    out, done = exported
    reader: tree_loaders.Loader = getattr(tree_loaders, name)
    assert sum(1 for _ in reader(out, "train")) == done.splits["train"]


def test_bagel_gets_every_row_of_one_input(exported: tuple[Path, Exported]) -> None:
    out, done = exported
    assert sum(1 for split in done.splits for _ in load.bagel(out, split)) == done.formats["bagel"]

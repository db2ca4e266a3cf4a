"""What docs/importing.md says of published sets, held against files that have the same fields: our own exports."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataflow.export import export
from dataflow.ingest.run import import_rows
from tests.kit.awkward import Expected, awkward_cache
from tests.kit.publishers import rows_of

PAGE = Path(__file__).parents[2] / "docs" / "importing.md"
FILES = {
    "OmniGen2": ("omnigen2", "omnigen2/*.jsonl", (1, 4)),
    "musubi-tuner": ("musubi", "musubi/train_inputs_1.jsonl", (1, 1)),
    "DiffSynth-Studio": ("diffsynth", "diffsynth/train.json", (1, 4)),
    "Step1X-Edit": ("step1x", "step1x/*.json", (1, 1)),
    "UniWorld-V1": ("uniworld", "uniworld/train_inputs_1.json", (1, 1)),
    "diffusers' `instruct_pix2pix`": ("diffusers", "diffusers/data/*.parquet", (1, 1)),
    "BAGEL": ("bagel", "bagel/train/*.parquet", (1, 1)),
    "folders of ai-toolkit": ("ai-toolkit", "inputs_1", (1, 1)),
    "our export `webdataset`": ("webdataset", "webdataset/train_inputs_1*.tar", (1, 1)),
    "an export of ours": ("hf", "data/*.parquet", (1, 4)),
}
"""Name on the page → the export that has its fields, its lists, and how many inputs a row may have."""


def said_on_the_page() -> Mapping[str, str]:
    table = PAGE.read_text(encoding="utf-8").partition("| set | `--columns=` |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| (.+?)(?:,? \(.*?\).*?|, .*?)? \| `(.+)` \|$", table, re.MULTILINE))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Expected]]:
    folder = tmp_path_factory.mktemp("published")
    cache, expected = awkward_cache(folder)
    export(cache, ",".join(name for name, *_ in FILES.values()), folder / "out", skip=True, sizes="pad")
    return folder / "out", expected


@pytest.mark.parametrize("name", FILES)
def test_every_word_and_pixel_of_a_set_arrives(
    name: str, exported: tuple[Path, list[Expected]], tmp_path: Path
) -> None:
    folder, expected = exported
    _, files, (least, most) = FILES[name]
    columns = said_on_the_page()[name]
    done = import_rows(str(folder / files), tmp_path / "rows.jsonl", columns=columns, root=folder)
    assert not done.failed, done
    rows = rows_of(done.target)
    wanted = {each.words: each for each in expected if least <= len(each.inputs) <= most}
    assert len(rows) == len(wanted)
    for row in rows:
        words = row["conversations"][0]
        found = wanted[" ".join(words.get("content", words.get("value")).split())]  # lists have all on one line
        pictures = [np.asarray(Image.open(path)) for path in row["images"] + row["edited_images"]]
        for picture, pixels in zip(pictures, [*found.inputs, found.edited], strict=True):
            np.testing.assert_allclose(picture.astype(int), pixels.astype(int), atol=1)

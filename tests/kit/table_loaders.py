"""How trainers read pictures out of parquet and tar, each in as few lines as show what it loses without a word.

Written after their own loading code, at the commits that docs/export.md names; nothing here knows how an export is
made.
"""

import io
import json
import os
import random
import re
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet
import yaml
from PIL import Image, ImageOps

from dataflow.core.records import Row
from tests.kit.awkward import Pixels
from tests.kit.tree_loaders import Read


def opened(data: bytes) -> Pixels:
    """BAGEL, instruct_pix2pix and the condition of FLUX.2's trainers: no EXIF turn, and what lies under the alpha."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def upright(data: bytes) -> Image.Image:
    """What `datasets` makes of the bytes of a column of pictures."""
    with Image.open(io.BytesIO(data)) as image:
        return ImageOps.exif_transpose(image)


def parquet_rows(folder: Path, split: str) -> Iterator[Row]:
    for path in sorted(folder.glob(f"{split}-*.parquet")):
        yield from pyarrow.parquet.read_table(path).to_pylist()


def hf(out: Path, split: str) -> Iterator[Read]:
    """Columns by their names, in the order of the rows."""
    for row in parquet_rows(out / "data", split):
        inputs = [np.asarray(upright(each["bytes"])) for each in row["images"]]
        mask = row.get("mask") and np.asarray(upright(row["mask"]["bytes"]))
        yield Read(row["instruction"], inputs, np.asarray(upright(row["edited_image"]["bytes"])), mask)


def dreambooth(out: Path, split: str) -> Iterator[Read]:
    """`DreamBoothDataset` of the trainers of Kontext: the source is stretched to the shape of the result."""
    for row in parquet_rows(out / "diffusers/data", split):
        edited = upright(row["edited_image"]["bytes"]).convert("RGB")
        source = upright(row["input_image"]["bytes"]).convert("RGB").resize(edited.size)
        yield Read(row["edit_prompt"], [np.asarray(source)], np.asarray(edited))


def instruct_pix2pix(out: Path, split: str, resolution: int = 64) -> Iterator[Read]:
    """Source, instruction and result are the first three columns, unless flags name others; all become squares."""

    def square(data: bytes) -> Pixels:
        return np.asarray(upright(data).convert("RGB").resize((resolution, resolution)))

    for row in parquet_rows(out / "diffusers/data", split):
        source, words, edited = list(row.values())[:3]
        yield Read(words, [square(source["bytes"])], square(edited["bytes"]))


def bagel(out: Path, split: str, *, seed: int = 0, ranks: int = 1, workers: int = 1) -> Iterator[Read]:
    """One pass of the first worker: files by their absolute path, as many as the config says, groups dealt out.

    Start, end and wording are drawn by chance. A worker that is dealt no group looks for one for ever.
    """
    chance = random.Random(seed)
    known = json.loads((out / "bagel/dataset_info.json").read_bytes())["unified_edit"][f"{out.name}_{split}"]
    info = json.loads(Path(known["parquet_info_path"]).read_bytes())
    (used,) = yaml.safe_load((out / f"bagel/{split}.yaml").read_text())["unified_edit"]["num_used_data"]
    found = [os.path.join(known["data_dir"], name) for name in os.listdir(known["data_dir"])]
    paths = (found * (used // len(found) + 1))[:used]
    groups = sorted((path, group) for path in paths if path in info for group in range(info[path]["num_row_groups"]))
    share = len(groups) // ranks // workers
    assert share, f"{len(groups)} groups for {ranks} x {workers} workers"
    for path, group in dict.fromkeys(groups[:share]):
        for row in pyarrow.parquet.ParquetFile(path).read_row_group(group).to_pylist():
            pictures, wordings = row["image_list"], row["instruction_list"]
            start = chance.randrange(len(pictures) - 1)
            end = chance.choice(range(start + 1, min(start + 3, len(pictures))))
            for at in range(start + 1, end + 1):
                yield Read(chance.choice(wordings[at - 1]), [opened(pictures[at - 1])], opened(pictures[at]))


def tar_samples(paths: Sequence[Path]) -> Iterator[dict[str, bytes]]:
    """The rule of webdataset: members that follow each other and share what stands before the first dot."""
    sample: dict[str, bytes] = {}
    for path in paths:
        with tarfile.open(path, "r|") as tar:
            for member in tar:
                key, ending = re.fullmatch(r"([^.]+)\.(.+)", member.name).groups()
                if sample.get("__key__", b"").decode() != key:
                    if sample:
                        yield sample
                    sample = {"__key__": key.encode()}
                sample[ending] = tar.extractfile(member).read()
    if sample:
        yield sample


def webdataset(out: Path, split: str) -> Iterator[Read]:
    """All sets of shards, one after another."""
    for sample in tar_samples(sorted((out / "webdataset").glob(f"{split}_*.tar"))):
        inputs = [opened(sample[name]) for name in sorted(sample) if name.startswith("input")]
        (edited,) = (data for name, data in sample.items() if name.startswith("output"))
        mask = sample.get("mask.png")
        words = json.loads(sample["json"])["instruction"]
        yield Read(words, inputs, opened(edited), None if mask is None else opened(mask))

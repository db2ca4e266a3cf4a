"""Hugging Face datasets: parquet with pictures in it and all that is known of each row, opened by `load_dataset(DIR)`.

The files lie in `data/` at the top of the export, where the hub looks for them, and the card names them. Each turn of a
conversation is a row, so that every instruction stands beside the very picture that it edits.
"""

import shlex

from dataflow.core.records import Row
from dataflow.export.columns import ListOf, Shape, Struct
from dataflow.export.facts import Facts, facts_of
from dataflow.export.formats import Format, Output, Takes
from dataflow.export.parquet import Table, write_parquet
from dataflow.export.records import Image, Record

DATA = "data"
_MOST_INPUTS = 1_000


def write(output: Output) -> str:
    """Write one parquet table, with a file or more for each split."""
    facts = facts_of(output.records)
    pictures: dict[str, Shape] = {"images": ListOf("image"), "edited_image": "image"}
    if facts.has_masks:
        pictures["mask"] = "image"
    columns = Struct({**pictures, **facts.columns.fields})
    folder = output.root / DATA
    folder.mkdir(exist_ok=True)  # a split called "data" has made this folder for its tree
    files = {
        split: write_parquet(
            folder, split, columns, (_row(output, facts, record) for record in output.records.split(split))
        )
        for split in output.records.splits
    }
    output.tables.append(Table("default", DATA, columns, files))
    code = f'from datasets import load_dataset; print(load_dataset("{output.target}"))'
    return f"python -c {shlex.quote(code)}"


def _row(output: Output, facts: Facts, record: Record) -> Row:
    def picture(image: Image, name: str) -> Row:
        return {"bytes": output.pictures.read(image), "path": f"{record.stem}.{name}.{image.ending}"}

    return {
        "images": [picture(image, f"input{k}") for k, image in enumerate(record.images)],
        "edited_image": picture(record.edited, "output"),
        "mask": None if record.mask is None else picture(record.mask, "mask"),
        **facts.of(record),
    }


HF = Format(
    "hf",
    write,
    Takes(inputs=(0, _MOST_INPUTS), masks=True, captions=None),
    tree=False,
    about="Hugging Face datasets: parquet for load_dataset",
)

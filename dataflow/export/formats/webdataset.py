"""WebDataset: tar shards of `ID.input0.png, ID.output.png, ID.json`, streamed from a disk or a bucket.

`datasets` takes the columns of a whole set of shards from its first samples, and drops the further columns of later
samples. So samples that differ in the number of inputs, in having a mask, or in the kinds of files are sets of shards
of their own; and no number in the JSON is null, see `without_nulls`.
"""

import shlex
from contextlib import ExitStack

import orjson

from dataflow.export.facts import Facts, facts_of, without_nulls
from dataflow.export.formats import Format, Output, Takes
from dataflow.export.records import Image, Record
from dataflow.export.tar import TarShards

_MOST_INPUTS = 1_000


def write(output: Output) -> str:
    """Write a set of shards for each split and each form of sample."""
    facts = facts_of(output.records)
    sets: dict[str, TarShards] = {}
    with ExitStack() as stack:
        for record in output.records:
            name = _set_of(record)
            if name not in sets:
                sets[name] = TarShards(output.folder, name)
                stack.callback(sets[name].close)
            sets[name].add(record.stem, _members(output, facts, record))
    name = min(sets, key=lambda shards_name: (not shards_name.startswith("train_"), shards_name))
    shards = f"{name}-{{00000..{sets[name].files - 1:05d}}}.tar"
    code = f'import webdataset; print(next(iter(webdataset.WebDataset("{output.final}/{shards}"))).keys())'
    return f"python -c {shlex.quote(code)}"


def _set_of(record: Record) -> str:
    kinds = {name.rpartition(".")[2] for name in _images(record)}
    parts = [f"{record.split}_inputs_{len(record.images)}"]
    parts += ["masked"] * (record.mask is not None)
    parts += [] if kinds == {"png"} else [name.rpartition(".")[2] for name in _images(record)]
    return "_".join(parts)


def _images(record: Record) -> dict[str, Image]:
    images = {f"input{k}.{image.ending}": image for k, image in enumerate(record.images)}
    images[f"output.{record.edited.ending}"] = record.edited
    return images if record.mask is None else {**images, f"mask.{record.mask.ending}": record.mask}


def _members(output: Output, facts: Facts, record: Record) -> dict[str, bytes]:
    described = orjson.dumps(without_nulls(facts.of(record), facts.columns))
    return {name: output.pictures.read(image) for name, image in _images(record).items()} | {"json": described}


WEBDATASET = Format(
    "webdataset",
    write,
    Takes(inputs=(0, _MOST_INPUTS), masks=True, captions=None),
    tree=False,
    about="WebDataset: tar shards to be streamed",
)

"""diffusion-pipe: folders of equal stems with one control, and a TOML that names them.

The trainer opens every file beside the targets as a picture, but for .txt and .json. It reads the instruction from the
text of the target's stem; if `captions.json` lies beside the targets, it reads that alone, where a picture may have
several instructions. It trains on the white pixels of a mask.
"""

from collections.abc import Iterator

import orjson

from dataflow.export.formats import Format, Output, Takes
from dataflow.export.records import Record
from dataflow.export.spool import Part
from dataflow.export.tree import CONTROL, MASKS, TARGETS

HEAD = """\
resolutions = [1024]
enable_ar_bucket = true
min_ar = 0.5
max_ar = 2.0
num_ar_buckets = 7
frame_buckets = [1]
"""


def write(output: Output) -> str:
    """Write `{split}.toml` for each split, and `captions.json` beside targets if some have several instructions."""
    for split in output.records.splits:
        lines = [HEAD]
        for part in output.records.parts():
            if part.split == split:
                lines += _directory(output, part)
        (output.folder / f"{split}.toml").write_text("\n".join(lines), encoding="utf-8")
    for part in output.records.parts():
        if any(len(record.captions) > 1 for record in output.records.of(part)):
            _write_captions(output, part)
    return f"deepspeed train.py --deepspeed --config CONFIG.toml  # with dataset = '{output.final}/train.toml'"


def _directory(output: Output, part: Part) -> Iterator[str]:
    folder = output.named(output.tree.folder(part))
    yield "[[directory]]"
    yield f'path = "{folder}/{TARGETS}"'
    if part.inputs:
        yield f'control_path = "{folder}/{CONTROL}_1"'
    if part.masked:
        yield f'mask_path = "{folder}/{MASKS}"'
    yield "num_repeats = 1\n"


def _write_captions(output: Output, part: Part) -> None:
    """Write one JSON object, target → instructions, record by record."""
    path = output.root / output.tree.folder(part) / TARGETS / "captions.json"
    with path.open("wb", buffering=1 << 18) as file:
        for number, record in enumerate(output.records.of(part)):
            file.write(b",\n" if number else b"{\n")
            file.write(orjson.dumps(_name(output, record)) + b": ")
            file.write(orjson.dumps([caption.line for caption in record.captions]))
        file.write(b"\n}\n")


def _name(output: Output, record: Record) -> str:
    return output.tree.files(record).edited.rpartition("/")[2]


DIFFUSION_PIPE = Format(
    "diffusion-pipe",
    write,
    Takes(inputs=(0, 1), masks=True, captions=None),
    about="diffusion-pipe: folders, all instructions, and a TOML",
)

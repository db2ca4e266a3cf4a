"""DiffSynth-Studio: a JSON list whose paths are relative to the export.

It is JSON, since the trainer's csv reader turns the instruction 007 into 7.0 and an empty one into nan, and cannot read
lists. Models of several pictures (Qwen-Image-Edit-2509 and after) read a list even for one picture; models of one
picture (Qwen-Image-Edit, FLUX.1 Kontext) read a string. So there are two files: the second has records of one input.
"""

import shlex

from dataflow.core.records import JSON
from dataflow.export.formats import Format, Output, Takes, write_json_list
from dataflow.export.records import Record


def write(output: Output) -> str:
    """Write `{split}.json` for each split, and `{split}_single.json` with its records of one input."""
    for split in output.records.splits:
        records = output.records
        write_json_list(output.folder / f"{split}.json", (_listed(output, record) for record in records.split(split)))
        single = (_single(output, record) for record in records.split(split) if len(record.images) == 1)
        if any(part.inputs == 1 and part.split == split for part in records.parts()):
            write_json_list(output.folder / f"{split}_single.json", single)
    return (
        "accelerate launch examples/qwen_image/model_training/train.py"
        f" --dataset_base_path {shlex.quote(str(output.target))}"
        f' --dataset_metadata_path {output.word("train.json")} --data_file_keys "image,edit_image"'
        f' --extra_inputs "edit_image"  # FLUX.1 Kontext: train_single.json, "image,kontext_images"'
    )


def _listed(output: Output, record: Record) -> dict[str, JSON]:
    files = output.tree.files(record)
    return {"image": files.edited, "prompt": record.line, "edit_image": [*files.images]}


def _single(output: Output, record: Record) -> dict[str, JSON]:
    files = output.tree.files(record)
    (source,) = files.images
    return {"image": files.edited, "prompt": record.line, "edit_image": source, "kontext_images": source}


DIFFSYNTH = Format(
    "diffsynth", write, Takes(inputs=(1, 16)), about="DiffSynth-Studio: JSON lists, relative to the export"
)

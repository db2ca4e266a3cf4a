"""BAGEL: parquet of conversations: a chain of pictures, and the wordings of each edit from one picture to the next.

The trainer draws one wording by chance, so all wordings of an instruction are written. It starts anywhere in the chain,
so each turn has the instruction that needs no other turn. It skips without a word each file that `parquet_info` does
not name by its absolute path, and the groups of rows that remain when groups are dealt out to ranks and workers. A
worker that gets no group waits for ever. So a small export has small groups, an export of few rows lists its files
several times, and the command says how many groups there are.
"""

from collections.abc import Iterator, Sequence

import orjson

from dataflow.core.records import JSON, Row
from dataflow.export.columns import ListOf, Struct
from dataflow.export.formats import Format, Output, Takes
from dataflow.export.parquet import GROUP, TableFile, write_parquet
from dataflow.export.records import Image, Record

_LEAST_GROUPS = 64
"""Fewest groups of rows, for 8 ranks with 8 workers each; files are listed several times until there are as many."""
COLUMNS = Struct({"id": "text", "image_list": ListOf("bytes"), "instruction_list": ListOf(ListOf("text"))})
YAML = """\
unified_edit:
  dataset_names: [{name}]
  image_transform_args: {{image_stride: 16, max_image_size: 1024, min_image_size: 512}}
  vit_image_transform_args: {{image_stride: 14, max_image_size: 518, min_image_size: 224}}
  is_mandatory: true
  num_used_data: [{used}]
  weight: 1
"""


def write(output: Output) -> str:
    """Write parquet files, their `parquet_info` and a config for each split, and the entry of `DATASET_INFO`."""
    groups = 0
    known: dict[str, JSON] = {}
    for split in output.records.splits:
        (output.folder / split).mkdir()
        size = sum(image.size for record in output.records.split(split) for image in record.all_images())
        group = max(1, min(GROUP, size // _LEAST_GROUPS))
        files = write_parquet(output.folder / split, split, COLUMNS, _rows(output, split), group=group)
        name = f"{output.target.name}_{split}"
        known[name] = _describe(output, split, files)
        written = sum(file.groups for file in files)
        repeats = -(-_LEAST_GROUPS // max(1, written))
        (output.folder / f"{split}.yaml").write_text(
            YAML.format(name=name, used=repeats * len(files)), encoding="utf-8"
        )
        groups += repeats * written if split == "train" else 0
    described = orjson.dumps({"unified_edit": known}, option=orjson.OPT_INDENT_2)
    (output.folder / "dataset_info.json").write_bytes(described)
    return (
        f"torchrun train/pretrain_unified_navit.py --dataset_config_file {output.word('train.yaml')}"
        f"  # DATASET_INFO of data/dataset_info.py needs what {output.final}/dataset_info.json says;"
        f" ranks x workers should divide {groups} and may not be more"
    )


def _describe(output: Output, split: str, files: Sequence[TableFile]) -> JSON:
    """Write the `parquet_info` of a split; returns the split's part of `DATASET_INFO`."""
    info = {
        output.named(f"{output.name}/{split}/{file.path.name}"): {"num_row_groups": file.groups, "num_rows": file.rows}
        for file in files
    }
    path = f"{output.name}/{split}_parquet_info.json"
    (output.root / path).write_bytes(orjson.dumps(info, option=orjson.OPT_INDENT_2))
    return {
        "data_dir": output.named(f"{output.name}/{split}"),
        "num_files": len(files),
        "num_total_samples": sum(file.rows for file in files),
        "parquet_info_path": output.named(path),
    }


def _rows(output: Output, split: str) -> Iterator[Row]:
    for record in output.records.split(split):
        for chain in _chains(record):
            steps: list[tuple[Image, list[JSON]]] = [(turn.edited, [turn.caption.text]) for turn in chain.turns]
            steps = steps or [(chain.edited, [caption.text for caption in chain.captions])]
            yield {
                "id": chain.id,
                "image_list": [
                    output.pictures.read(image) for image in (chain.images[0], *(step[0] for step in steps))
                ],
                "instruction_list": [wordings for _, wordings in steps],
            }


def _chains(record: Record) -> Sequence[Record]:
    """The record, if each of its turns edits the picture before it; otherwise one record for each turn."""
    is_chain = all(turn.version == number for number, turn in enumerate(record.turns, start=1))
    return (record,) if is_chain else record.apart()


BAGEL = Format("bagel", write, Takes(turns=True, captions=None), tree=False, about="BAGEL: conversations, wordings")

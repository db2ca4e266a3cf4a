"""LLaMA-Factory: DPO for a judge that chooses between two edits, as ShareGPT lists and their `dataset_info.json`.

The questions are those of `ms-swift`. The trainer drops an example whose roles are out of turn, with one warning, so
each example has one message.
"""

from collections.abc import Iterator

import orjson

from dataflow.core.records import JSON
from dataflow.export.formats import Format, Output, Takes, write_json_list
from dataflow.export.pair_questions import PairQuestion, holds_no_mark, pair_questions

COLUMNS: JSON = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected", "images": "images"}


def write(output: Output) -> str:
    """Write `{split}.json` for each split, and `dataset_info.json`, which describes them."""
    described: dict[str, JSON] = {}
    for split in output.records.splits:
        write_json_list(output.folder / f"{split}.json", _items(output, split))
        described[split] = {
            "file_name": f"{split}.json", "formatting": "sharegpt", "ranking": True, "columns": COLUMNS,
        }  # fmt: skip
    found = orjson.dumps(described, option=orjson.OPT_INDENT_2)
    (output.folder / "dataset_info.json").write_bytes(found + b"\n")
    return (
        "llamafactory-cli train --stage dpo --do_train true --model_name_or_path MODEL --template TEMPLATE"
        f" --output_dir OUT --dataset_dir {output.word()} --dataset train"
    )


def _items(output: Output, split: str) -> Iterator[dict[str, JSON]]:
    for record in output.records.split(split):
        yield from (_item(question) for question in pair_questions(output, record))


def _item(question: PairQuestion) -> dict[str, JSON]:
    return {
        "conversations": [{"from": "human", "value": question.asked}],
        "chosen": {"from": "gpt", "value": question.right},
        "rejected": {"from": "gpt", "value": question.wrong},
        "images": [*question.images],
    }


LLAMA_FACTORY = Format(
    "llama-factory",
    write,
    Takes(inputs=(1, 8)),
    rows="pairs",
    refuses=holds_no_mark("llama-factory"),
    about="LLaMA-Factory DPO: a judge that chooses between two edits",
)

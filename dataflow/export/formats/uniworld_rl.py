"""UniWorld-V2's Edit-R1: sources and instructions without results, since a judge behind an address rewards the policy.

The trainer crops every source to a square. It gives its judge the instruction and a `requirement`; ours says what makes
an edit of the row's operation good. It opens `test_metadata.jsonl` before it begins, so the command asks for a split
"test".
"""

from dataflow.core.records import JSON
from dataflow.export.formats import Format, Output, Takes, write_jsonl
from dataflow.export.records import Record
from dataflow.taxonomy.taxonomy import shipped_taxonomy

TEST = "test"


def write(output: Output) -> str:
    """Write `{split}_metadata.jsonl` for each split."""
    for split in output.records.splits:
        lines = (_line(output, record) for record in output.records.split(split))
        write_jsonl(output.folder / f"{split}_metadata.jsonl", lines)
    command = (
        "torchrun --nproc_per_node=8 scripts/train_nft_qwen_image_edit.py"
        f" --config config/qwen_image_edit_nft.py:CONFIG_NAME --config.dataset={output.word()}"
    )
    return command if TEST in output.records.splits else f"{command}  # needs a test set: say --split test=2%"


def _line(output: Output, record: Record) -> dict[str, JSON]:
    (source,) = output.tree.files(record).images
    operation = shipped_taxonomy().operations.get(record.sub_type)
    requirement = "" if operation is None else operation.good
    return {"prompt": record.line, "image": f"../{source}", "requirement": requirement}


UNIWORLD_RL = Format("uniworld-rl", write, Takes(inputs=(1, 1)), about="UniWorld-V2 Edit-R1: prompts and sources")

"""UniWorld-V1: JSON lists of pictures and conversations, and a text file that names them, with commas between columns.

The last picture of a record is its target. The trainer removes the marks of pictures to get the instruction, so an
instruction that holds a mark is refused. The third column asks for weights of the changed region, which exist
for edits of one picture only.
"""

from collections.abc import Iterator

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.export.formats import Format, Output, Takes, write_json_list
from dataflow.export.records import Record

PICTURE_MARK, TARGET_MARK = "<image>", "<gen_image>"


def write(output: Output) -> str:
    """Write a list for each part, and `{split}.txt`, which names the split's lists.

    Raises:
        ConfigError: the export's path has a comma.
    """
    if "," in str(output.target):
        raise ConfigError(f"uniworld parts columns by commas, and {output.target} has one: name another --out")
    for split in output.records.splits:
        lines = list(_lists(output, split))
        (output.folder / f"{split}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return (
        "bash scripts/denoiser/flux_qwen2p5vl_7b_vlm_stage2_512.sh"
        f"  # with data_txt: {output.final}/train.txt in its .yaml"
    )


def _lists(output: Output, split: str) -> Iterator[str]:
    for part in output.records.parts():
        if part.split == split:
            name = f"{split}_inputs_{part.inputs}{'_masked' if part.masked else ''}.json"
            write_json_list(output.folder / name, (_item(output, record) for record in output.records.of(part)))
            yield f"{output.target},{output.final / name},{'true' if part.inputs == 1 else 'false'}"


def _item(output: Output, record: Record) -> dict[str, JSON]:
    files = output.tree.files(record)
    asked: JSON = {"from": "human", "value": f"{PICTURE_MARK}\n" * len(files.images) + record.line}
    return {"image": [*files.images, files.edited], "conversations": [asked, {"from": "gpt", "value": TARGET_MARK}]}


def refuses(record: Record) -> str:
    """Refuses an instruction that holds the mark of a picture."""
    return "uniworld takes an instruction's <image> for a picture" if PICTURE_MARK in record.line else ""


UNIWORLD = Format(
    "uniworld", write, Takes(inputs=(0, 8)), refuses=refuses, about="UniWorld-V1: JSON lists, and data.txt"
)

"""OmniGen2: a JSONL of absolute paths, and a YAML that names it.

In place of a row whose picture it cannot open, the trainer draws another row by chance, up to twelve times; it does the
same for a fifth input, for which its configuration has no size. So paths are absolute, and records have four inputs at
most. The ratios in its YAML have no effect on what it reads, so `--mix` chooses the rows.
"""

from dataflow.core.records import JSON
from dataflow.export.formats import Format, Output, Takes, write_jsonl
from dataflow.export.records import Record


def write(output: Output) -> str:
    """Write `{split}.jsonl` and `{split}.yml` for each split."""
    for split in output.records.splits:
        name = output.final / f"{split}.jsonl"
        write_jsonl(output.folder / name.name, (_line(output, record) for record in output.records.split(split)))
        text = f'data:\n  -\n    path: "{name}"\n    type: "edit"\n    ratio: !!float 1\n'
        (output.folder / f"{split}.yml").write_text(text, encoding="utf-8")
    return f"accelerate launch train.py --config options/ft_lora.yml --data_path {output.word('train.yml')}"


def _line(output: Output, record: Record) -> dict[str, JSON]:
    files = output.tree.files(record)
    return {
        "task_type": "t2i" if not files.images else "edit" if len(files.images) == 1 else "ic",
        "instruction": record.line,
        "input_images": [output.named(path) for path in files.images],
        "output_image": output.named(files.edited),
    }


OMNIGEN2 = Format("omnigen2", write, Takes(inputs=(0, 4)), about="OmniGen2: JSONL of absolute paths, and a YAML")

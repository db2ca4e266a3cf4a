"""ai-toolkit: folders of equal stems, one data set for each number of inputs, and the part of a config that names them.

The trainer looks controls up by the target's stem in up to three folders. In place of a missing control it takes the
next one without a word, so each data set has one number of inputs. Records with more than three inputs are refused.
Masks are looked up by stem as well, in a folder of their own.
"""

from collections.abc import Iterator

from dataflow.export.formats import Format, Output, Takes
from dataflow.export.spool import Part
from dataflow.export.tree import CONTROL, MASKS, TARGETS


def write(output: Output) -> str:
    """Write `{split}.yaml`, the `datasets` of a config, for each split."""
    for split in output.records.splits:
        lines = ["datasets:"]
        for part in output.records.parts():
            if part.split == split:
                lines += _data_set(output, part)
        (output.folder / f"{split}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"python run.py config.yaml  # its process has the `datasets` of {output.final}/train.yaml"


def _data_set(output: Output, part: Part) -> Iterator[str]:
    folder = output.named(output.tree.folder(part))
    yield f'  - folder_path: "{folder}/{TARGETS}"'
    if part.inputs:
        yield "    control_path:"
        yield from (f'      - "{folder}/{CONTROL}_{k}"' for k in range(1, part.inputs + 1))
    if part.masked:
        yield f'    mask_path: "{folder}/{MASKS}"'
    yield '    caption_ext: "txt"'
    yield "    caption_dropout_rate: 0.05"
    yield "    resolution: [512, 768, 1024]"


AI_TOOLKIT = Format(
    "ai-toolkit", write, Takes(inputs=(0, 3), masks=True), about="ai-toolkit: folders, and `datasets` for its config"
)

"""SimpleTuner: one data set of targets and one of each input, paired by name and ending.

The trainer takes each line of a text for an instruction of its own, so a text has one line. It looks a conditioning
picture up under the very name of its target, ending included, so the files of a record have one ending. It crops a
`reference_strict` as it crops the target; further inputs may have another shape, and are `reference_loose`. Of several
conditioning sets, masks included, it draws one for each sample unless `conditioning_multidataset_sampling` is
`combined`.
"""

from collections.abc import Iterator

import orjson

from dataflow.core.records import JSON
from dataflow.export.formats import Format, Output, Takes
from dataflow.export.spool import Part
from dataflow.export.tree import CONTROL, MASKS, TARGETS

EMBEDS: dict[str, JSON] = {
    "id": "text-embeds", "type": "local", "dataset_type": "text_embeds", "default": True, "cache_dir": "cache/text",
}  # fmt: skip


def write(output: Output, *, strict: str = f"{CONTROL}_1") -> str:
    """Write `{split}.json`, the data backends of a configuration, for each split.

    Args:
        output: see `dataflow.export.formats`.
        strict: folder of the tree whose pictures are the `reference_strict` of their targets.
    """
    for split in output.records.splits:
        backends: list[JSON] = []
        for part in output.records.parts():
            if part.split == split:
                backends += _backends(output, part, strict)
        found = orjson.dumps([*backends, EMBEDS], option=orjson.OPT_INDENT_2)
        (output.folder / f"{split}.json").write_bytes(found + b"\n")
    return (
        f"simpletuner train data_backend_config={output.word('train.json')} conditioning_multidataset_sampling=combined"
    )


def _backends(output: Output, part: Part, strict: str) -> Iterator[dict[str, JSON]]:
    folder = output.tree.folder(part)
    target = folder.replace("/", "-")
    controls = [f"{CONTROL}_{k}" for k in range(1, part.inputs + 1)]
    names = [*dict.fromkeys([strict, *controls]), *([MASKS] if part.masked else [])]
    yield {
        **_backend(output, f"{target}-{TARGETS}", f"{folder}/{TARGETS}"),
        "dataset_type": "image",
        "caption_strategy": "textfile",
        "conditioning_data": [f"{target}-{name}" for name in names],
    }
    for name in names:
        kind = "mask" if name == MASKS else "reference_strict" if name == strict else "reference_loose"
        yield {
            **_backend(output, f"{target}-{name}", f"{folder}/{name}"),
            "dataset_type": "conditioning",
            "conditioning_type": kind,
            "source_dataset_id": f"{target}-{TARGETS}",
            "caption_strategy": None,
        }


def _backend(output: Output, name: str, folder: str) -> dict[str, JSON]:
    return {
        "id": name,
        "type": "local",
        "instance_data_dir": output.named(folder),
        "cache_dir_vae": f"cache/vae/{name}",
        "resolution": 1024,
        "resolution_type": "pixel_area",
    }


SIMPLETUNER = Format(
    "simpletuner",
    write,
    Takes(inputs=(1, 3), masks=True, one_ending=True),
    about="SimpleTuner: paired data sets, and its data backends",
)

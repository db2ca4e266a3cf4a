"""musubi-tuner: a JSONL of paths for each number of inputs, and a TOML that names them.

A line of another number of controls than the first raises nothing and trains on what is there, so every number of
inputs has a file of its own.
"""

from dataflow.core.records import JSON
from dataflow.export.formats import Format, Output, Takes, write_jsonl
from dataflow.export.records import Record

TOML = """\
[[datasets]]
image_jsonl_file = "{jsonl}"
cache_directory = "{cache}"
control_resolution = [1024, 1024]
"""


def write(output: Output) -> str:
    """A JSONL for each split and number of inputs, and a TOML for each split."""
    for split in output.records.splits:
        sections = ["[general]\nresolution = [1024, 1024]\nbatch_size = 1\nenable_bucket = true\n"]
        for part in output.records.parts():
            if part.split == split:
                name = f"{split}_inputs_{part.inputs}"
                write_jsonl(output.folder / f"{name}.jsonl", (_line(output, each) for each in output.records.of(part)))
                sections.append(TOML.format(jsonl=output.final / f"{name}.jsonl", cache=output.final / f"{name}_cache"))
        (output.folder / f"{split}.toml").write_text("\n".join(sections), encoding="utf-8")
    return f"python src/musubi_tuner/qwen_image_cache_latents.py --dataset_config {output.final}/train.toml --vae VAE"


def _line(output: Output, record: Record) -> dict[str, JSON]:
    files = output.tree.files(record)
    controls = {f"control_path_{k}": output.named(path) for k, path in enumerate(files.images)}
    return {"image_path": output.named(files.edited), **controls, "caption": record.line}


MUSUBI = Format("musubi", write, Takes(inputs=(1, 9)), about="musubi-tuner: Qwen-Image-Edit, FLUX.2, FLUX.1 Kontext")

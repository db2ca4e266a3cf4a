"""musubi-tuner: a JSONL of absolute paths for each number of inputs, and a TOML that names them.

The trainer raises no error for a line with more or fewer controls than the first line, and trains on the controls that
it finds; so every number of inputs has a file of its own. FLUX.1 Kontext drops all controls but the first: give it the
file of one input.
"""

from dataflow.core.records import JSON
from dataflow.export.formats import Format, Output, Takes, write_jsonl
from dataflow.export.records import Record

GENERAL = "[general]\nresolution = [1024, 1024]\nbatch_size = 1\nenable_bucket = true\n"
DATA_SET = """\
[[datasets]]
image_jsonl_file = "{jsonl}"
cache_directory = "{cache}"
control_resolution = [1024, 1024]
"""


def write(output: Output) -> str:
    """Write a JSONL for each part, and `{split}.toml` for each split."""
    for split in output.records.splits:
        sections = [GENERAL]
        for part in output.records.parts():
            if part.split == split:
                name = f"{split}_inputs_{part.inputs}{'_masked' if part.masked else ''}"
                write_jsonl(
                    output.folder / f"{name}.jsonl", (_line(output, record) for record in output.records.of(part))
                )
                cache = output.final / f"{name}_cache"
                sections.append(DATA_SET.format(jsonl=output.final / f"{name}.jsonl", cache=cache))
        (output.folder / f"{split}.toml").write_text("\n".join(sections), encoding="utf-8")
    return (
        "accelerate launch src/musubi_tuner/qwen_image_train_network.py --model_version edit-2511"
        f" --dataset_config {output.word('train.toml')}  # with the same two before it: qwen_image_cache_latents.py and"
        " qwen_image_cache_text_encoder_outputs.py"
    )


def _line(output: Output, record: Record) -> dict[str, JSON]:
    files = output.tree.files(record)
    controls = {f"control_path_{k}": output.named(path) for k, path in enumerate(files.images)}
    return {"image_path": output.named(files.edited), **controls, "caption": record.line}


MUSUBI = Format("musubi", write, Takes(inputs=(1, 9)), about="musubi-tuner: JSONL of absolute paths, and a TOML")

"""Step1X-Edit: one JSON object, absolute path of the target → its one source and its instruction; and a TOML.

The TOML turns buckets on: without them the trainer cuts every picture to a square.
"""

import orjson

from dataflow.export.formats import Format, Output, Takes

TOML = """\
[general]
shuffle_caption = false
caption_extension = '.txt'
keep_tokens = 1

[[datasets]]
resolution = [768, 768]
batch_size = 1
edit_dataset = true
enable_bucket = true
min_bucket_reso = 256
max_bucket_reso = 1536
bucket_reso_steps = 16

  [[datasets.subsets]]
  image_dir = '{folder}'
  metadata_file = '{metadata}'
"""


def write(output: Output) -> str:
    """Write `{split}.json`, the metadata, and `{split}.toml` for each split."""
    for split in output.records.splits:
        path = output.folder / f"{split}.json"
        with path.open("wb", buffering=1 << 18) as file:
            for number, record in enumerate(output.records.split(split)):
                files = output.tree.files(record)
                line = {"ref_image_path": output.named(files.images[0]), "caption": record.line}
                file.write((b",\n" if number else b"{\n") + orjson.dumps(output.named(files.edited)) + b": ")
                file.write(orjson.dumps(line))
            file.write(b"\n}\n")
        text = TOML.format(folder=output.target, metadata=output.final / path.name)
        (output.folder / f"{split}.toml").write_text(text, encoding="utf-8")
    return f"accelerate launch finetuning.py --dataset_config {output.word('train.toml')}  # see scripts/finetuning.sh"


STEP1X = Format("step1x", write, Takes(inputs=(1, 1)), about="Step1X-Edit: JSON of absolute paths, and a TOML")

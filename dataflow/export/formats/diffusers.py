"""diffusers' trainers: a table with one picture in and one out, in the columns that the trainers' flags name.

The trainers load the table with `datasets`, decode every picture of the split and keep all of them in memory, so the
command says how much memory that is. `instruct_pix2pix` reads source, instruction and result from the first three
columns, whatever their names. The other trainers cut squares unless a flag turns buckets on, and drop the pictures that
fill no batch of their bucket; so the command turns buckets on and sets a batch of one.
"""

from collections.abc import Iterator

from dataflow.core.records import Row
from dataflow.export.columns import Struct
from dataflow.export.facts import MADE_BY, facts_of
from dataflow.export.formats import Format, Output
from dataflow.export.parquet import Table, write_parquet
from dataflow.export.records import Record

COLUMNS = Struct(
    {
        "input_image": "image",
        "edit_prompt": "text",
        "edited_image": "image",
        "id": "text",
        "edit_type": "text",
        "sub_type": "text",
        "score": "number",
        "licence": "text",
        "credit": "text",
        "input_image_by": MADE_BY,
        "edited_image_by": MADE_BY,
    }
)
"""There are no lists among them, since trainers may be bound to any release of datasets."""


def write(output: Output) -> str:
    """Write one parquet table, with a file or more for each split."""
    folder = output.folder / "data"
    folder.mkdir()
    files = {split: write_parquet(folder, split, COLUMNS, _rows(output, split)) for split in output.records.splits}
    output.tables.append(Table(output.name, f"{output.name}/data", COLUMNS, files))
    trained = output.records.split("train")
    memory = sum(
        width * height * 3 for record in trained for width, height in (record.edited.shape, record.images[0].shape)
    )
    return (
        "accelerate launch train_dreambooth_lora_flux_kontext.py --pretrained_model_name_or_path MODEL --output_dir OUT"
        f" --dataset_name {output.word()} --image_column edited_image --cond_image_column input_image"
        " --caption_column edit_prompt --use_aspect_ratio_buckets --train_batch_size 1"
        f"  # or train_dreambooth_lora_flux2_klein_img2img.py; in memory {memory / 1e9:.1f} GB of pixels"
    )


def _rows(output: Output, split: str) -> Iterator[Row]:
    facts = facts_of(())
    for record in output.records.split(split):
        known = facts.of(record)
        (made_by,) = known["images_by"]
        yield {**known, **_pictures(output, record), "edit_prompt": record.instruction, "input_image_by": made_by}


def _pictures(output: Output, record: Record) -> Row:
    images = {"input_image": record.images[0], "edited_image": record.edited}
    return {
        name: {"bytes": output.pictures.read(image), "path": f"{record.stem}.{name}.{image.ending}"}
        for name, image in images.items()
    }


DIFFUSERS = Format(
    "diffusers", write, tree=False, about="diffusers: Kontext, FLUX.2 and klein LoRA trainers, instruct_pix2pix"
)

"""The process that the kill tests of local models kill: drawings from two messages a row, then one edit of both.

It is forked from a server that has imported the libraries, since importing them takes longer than the whole run.
"""

import os
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from dataflow.core.records import Answer, Job
from dataflow.flow.summary import Summary
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator, PromptedImageGenerator
from dataflow.serving.backends import Task
from dataflow.serving.local_image_gen_serving import LocalImageGenServing
from dataflow.utils.storage import FileStorage

BATCH = 4


class Told(LocalImageGenServing):
    """Tells when a call of the model begins and when it ends, so that whoever kills it can choose the moment."""

    listener: "Connection[str, None]"

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        self.listener.send("called")
        answers = await super().call(batch)
        self.listener.send("drawn")
        return answers


def serving(folder: Path, model: Path, task: Task, kind: type[LocalImageGenServing]) -> LocalImageGenServing:
    return kind(
        ImageIO(str(folder / "cache" / "images" / task)),
        BATCH,
        hf_model_name_or_path=model,
        Image_gen_task=task,
        diffuser_num_inference_steps=2,
        diffuser_image_height=64,
        diffuser_image_width=64,
        device="cpu",
    )


def draw_and_edit(
    folder: Path, drawing: Path, editing: Path, kind: type[LocalImageGenServing] = LocalImageGenServing
) -> tuple[Summary, Summary]:
    """Both steps on `folder/rows.jsonl`, into `folder/cache`."""
    storage = FileStorage(folder / "rows.jsonl", folder / "cache")
    painter = PromptedImageGenerator(serving(folder, drawing, "text2image", kind))
    editor = PromptedImageEditGenerator(serving(folder, editing, "imageedit", kind))
    drawn = painter.run(storage.step(), input_conversation_key="input_text", output_image_key="input_image")
    edited = editor.run(
        storage.step(),
        input_image_key="input_image",
        input_conversation_key="output_img_discript",
        output_image_key="output_image",
    )
    return drawn, edited


def told(listener: "Connection[str, None]", folder: Path, drawing: Path, editing: Path) -> None:
    """What the process runs."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "user-cache")
    Told.listener = listener
    draw_and_edit(folder, drawing, editing, Told)

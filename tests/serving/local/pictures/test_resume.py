"""What a run that was cut short and goes on makes, beside one that was not."""

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from PIL import Image

from dataflow.io.image import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator, PromptedImageGenerator
from dataflow.serving.backends import Task
from dataflow.serving.local_image_gen_serving import LocalImageGenServing
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows, write_rows

Checkpoints = Callable[[str], Path]
PROMPTS = ("a cat", "两只狗 on a beach", "a vase", "b", "a house by the sea, at night")


def drawn_and_edited(
    folder: Path, checkpoint: Checkpoints, batch_size: int, cut_after: tuple[int, ...] = ()
) -> list[tuple[Path, Path]]:
    """Each row's drawing and its edit, after runs that were cut short."""

    def serving(family: str, task: Task) -> LocalImageGenServing:
        return LocalImageGenServing(
            ImageIO(str(folder / task)),
            batch_size,
            hf_model_name_or_path=checkpoint(family),
            Image_gen_task=task,
            diffuser_num_inference_steps=2,
            diffuser_image_height=64,
            diffuser_image_width=64,
            device="cpu",
        )

    folder.mkdir()
    rows = write_rows(folder / "rows.jsonl", [{"conversations": [prompt]} for prompt in PROMPTS])
    painter = PromptedImageGenerator(serving("qwen_image", "text2image"))
    editor = PromptedImageEditGenerator(serving("qwen_image_edit", "imageedit"))
    for limit in (*cut_after, None):
        storage = FileStorage(rows, folder / "cache", limit=limit)
        painter.run(storage.step())
        editor.run(storage.step())
    made = read_rows(folder / "cache" / "dataflow_cache_step_step2.jsonl")
    return [(Path(*row["images"]), Path(*row["edited_images"])) for row in made]


def level(path: Path) -> numpy.ndarray:
    return numpy.asarray(Image.open(path)).astype(int)


def test_without_batches_an_interrupted_run_gives_the_same_bytes(
    checkpoint: Checkpoints, tmp_path: Path, small: None
) -> None:
    whole = drawn_and_edited(tmp_path / "whole", checkpoint, 1)
    parts = drawn_and_edited(tmp_path / "parts", checkpoint, 1, cut_after=(1, 3))
    for one, other in zip(whole, parts, strict=True):
        assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_with_batches_a_drawing_is_within_a_level_and_equal_drawings_have_equal_edits(
    checkpoint: Checkpoints, tmp_path: Path, small: None
) -> None:
    whole = drawn_and_edited(tmp_path / "whole", checkpoint, 4)
    parts = drawn_and_edited(tmp_path / "parts", checkpoint, 4, cut_after=(1, 3))
    for (drawing, edit), (again, edited_again) in zip(whole, parts, strict=True):
        assert abs(level(drawing) - level(again)).max() <= 1
        if drawing.read_bytes() == again.read_bytes():
            assert abs(level(edit) - level(edited_again)).max() <= 1
            assert edit.name == edited_again.name
        else:
            assert edit.name != edited_again.name


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.kit.tiny import small_references

    small_references(monkeypatch)

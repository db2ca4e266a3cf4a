"""A column of masks: it is found, checked, known by its content and moved as the column of pictures is."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dataflow.errors import ConfigError
from dataflow.flow.summary import Summary
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import draw, read_rows, write_rows
from tests.kit.masks import HALVES, write_pair
from tests.kit.workers import Echo


class Masked:
    """Rows in a folder that is the working directory: the first and the second with masks, the third without."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in "abc":
            write_pair(folder / "in", name)
        self.rows: list[dict[str, Any]] = [
            {"conversations": f"edit {name}", "images": [f"./in/{name}.png"], "mask": f"./in/{name}_mask.png"}
            for name in "abc"
        ]
        self.rows[2]["mask"] = None

    def run(self, *, dry_run: bool = False, **settings: Any) -> tuple[ScriptedWorker, Summary]:
        write_rows(self.folder / "prompts.jsonl", self.rows)
        self.storage = FileStorage("prompts.jsonl", cache_path="./cache", dry_run=dry_run)
        painter = ScriptedWorker(save_path="./cache/images")
        summary = PromptedImageEditGenerator(painter).run(self.storage.step(), input_mask_key="mask", **settings)
        return painter, summary


@pytest.fixture
def masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Masked:
    monkeypatch.chdir(tmp_path)
    return Masked(tmp_path)


def test_rows_with_and_without_a_mask_are_asked_side_by_side(masked: Masked, tmp_path: Path) -> None:
    painter, summary = masked.run()
    paths = [f"{tmp_path}/in/a_mask.png", f"{tmp_path}/in/b_mask.png", None]
    assert [request.mask for request in sorted(painter.asked, key=lambda each: each.prompt)] == paths
    assert [row["mask"] for row in read_rows(masked.storage.current.target)] == paths
    assert (summary.rows, summary.failed) == (3, 0)


def test_a_mask_that_changed_is_asked_again_and_overwriting_finds_the_answers(masked: Masked) -> None:
    masked.run()
    again, _ = masked.run(overwrite=True)
    assert again.asked == []
    HALVES.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("in/b_mask.png")
    masked.rows[2]["mask"] = "./in/c_mask.png"
    again, summary = masked.run()
    assert (sorted(again.prompts), summary.reused) == (["edit b", "edit c"], 1)


def test_rows_that_differ_in_their_masks_alone_are_no_twins(masked: Masked) -> None:
    masked.rows = [dict(masked.rows[0], mask=mask) for mask in ("./in/a_mask.png", "./in/b_mask.png", None)]
    HALVES.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("in/b_mask.png")
    painter, _ = masked.run()
    masked.rows.reverse()
    again, summary = masked.run()
    assert (len(painter.asked), again.asked, summary.reused) == (3, [], 3)


def test_a_moved_cache_keeps_its_masks(masked: Masked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masked.run()
    shutil.move(tmp_path, elsewhere := tmp_path.with_name("elsewhere"))
    monkeypatch.chdir(elsewhere)
    masked.folder = elsewhere
    again, summary = masked.run()
    assert (again.asked, summary.reused) == ([], 3)
    assert read_rows(masked.storage.current.target)[0]["mask"] == f"{elsewhere}/in/a_mask.png"


def test_a_dry_run_counts_masked_rows_and_writes_nothing(masked: Masked) -> None:
    painter, summary = masked.run(dry_run=True)
    assert summary.estimate is not None
    assert (painter.asked, summary.estimate.remaining, Path("cache").exists()) == ([], 3, False)


def test_a_mask_that_cannot_be_used_fails_its_row_before_it_costs_anything(masked: Masked) -> None:
    draw(Path("in/a_mask.png"), "white", (8, 6))
    masked.rows[1]["mask"] = "./in/gone.png"
    masked.rows += [{**masked.rows[2], "mask": [[], "./in/c.png", 5][k]} for k in range(3)]
    painter, summary = masked.run()
    reasons = [failure["reason"] for failure in read_rows(masked.storage.current.errors)]
    words = ("is 8 x 6, but its picture", "gone.png", "no `mask`: the step", "is one of the row's pictures", "holds 5")
    for reason, said in zip(reasons, words, strict=True):
        assert said in reason
    assert (painter.prompts, summary.failed) == (["edit c"], 5)


def test_a_column_that_no_row_has_is_named_before_the_first_request(masked: Masked) -> None:
    for row in masked.rows:
        del row["mask"]
    with pytest.raises(ConfigError, match=r"no row of .* has `mask`"):
        masked.run()


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_worker_that_takes_no_masks_is_named_before_the_first_request(masked: Masked, *, dry_run: bool) -> None:
    worker = Echo()
    masked.rows.reverse()  # a row without a mask comes first
    write_rows(masked.folder / "prompts.jsonl", masked.rows)
    storage = FileStorage("prompts.jsonl", cache_path="./cache", dry_run=dry_run)
    with pytest.raises(ConfigError, match="takes no mask: give a serving that does, or leave out input_mask_key"):
        PromptedImageEditGenerator(worker).run(storage.step(), input_mask_key="mask")
    assert worker.asked == []

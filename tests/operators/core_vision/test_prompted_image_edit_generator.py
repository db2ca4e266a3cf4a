"""The guide's edit operator: what it asks, what it writes, and how pictures live through resumes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dataflow.core.records import Answer, Picture
from dataflow.errors import ConfigError, RowError, StepFailed
from dataflow.flow.summary import Summary
from dataflow.io import ImageIO
from dataflow.operators.base import Columns
from dataflow.operators.core_vision import PromptedImageEditGenerator, PromptedImageGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit import shapes
from tests.kit.drawing import draw_png, mark_of, read_mark
from tests.kit.flow import draw, read_rows, write_rows
from tests.kit.loopback import Act, LoopbackServer
from tests.kit.masks import HALVES, write_pair
from tests.kit.workers import Echo

COLUMNS = Columns(("images", "conversations"), ("edited_images",))
OPERATOR = PromptedImageEditGenerator(Echo())


@pytest.mark.parametrize(
    ("images", "paths"),
    [("a.png", ("a.png",)), (["a.png"], ("a.png",)), (["a.png", "b.png"], ("a.png", "b.png"))],
)
def test_all_pictures_of_a_row_go_into_one_request(images: Any, paths: tuple[str, ...]) -> None:
    (request,) = OPERATOR.plan({"images": images, "conversations": "x"}, COLUMNS)
    assert (request.images, request.makes, request.worker) == (paths, "image", "editor")


@pytest.mark.parametrize(
    ("conversation", "prompt"),
    [
        ("red", "red"),
        (["red", "blue"], "blue"),
        ([{"content": "red", "role": "user"}, {"content": "done", "role": "assistant"}], "red"),
        ([{"content": "你好"}], "你好"),
    ],
)
def test_the_last_message_that_is_not_the_assistants_is_the_instruction(conversation: Any, prompt: str) -> None:
    (request,) = OPERATOR.plan({"images": "a.png", "conversations": conversation}, COLUMNS)
    assert request.prompt == prompt


@pytest.mark.parametrize("images", [[1], ["a.png", ""], ["a.png", None], [["a.png"]], 5, 1.5, True, {"path": "a.png"}])
def test_other_forms_of_images_fail_the_row(images: Any) -> None:
    with pytest.raises(RowError, match=r"`images` holds .*give one path or a list of paths"):
        OPERATOR.plan({"images": images, "conversations": "x"}, COLUMNS)


@pytest.mark.parametrize("conversation", [[{"role": "assistant", "content": "x"}], [{"text": "x"}], 5, "  "])
def test_other_forms_of_conversation_fail_the_row(conversation: Any) -> None:
    with pytest.raises(RowError, match="`conversations`"):
        OPERATOR.plan({"images": "a.png", "conversations": conversation}, COLUMNS)


def test_merge_writes_a_list_of_paths_and_keeps_the_rest() -> None:
    answers = [Answer((Picture(f"/{n}.png", "", 1, 1, 1),)) for n in range(2)]
    rows = OPERATOR.merge({"a": 1}, answers, COLUMNS)
    assert rows == [{"a": 1, "edited_images": ["/0.png", "/1.png"]}]


def test_both_names_of_the_serving_are_taken_and_none_is_refused() -> None:
    worker = Echo()
    assert PromptedImageEditGenerator(pipe=worker).workers == {"editor": worker}
    assert PromptedImageEditGenerator(image_edit_serving=worker, save_interval=1).save_interval == 1
    with pytest.raises(ConfigError, match="image_edit_serving="):
        PromptedImageEditGenerator()
    assert PromptedImageEditGenerator.get_desc("zh") != PromptedImageEditGenerator.get_desc("en")


def test_importing_the_operator_loads_nothing_heavy() -> None:
    heavy = ["torch", "diffusers", "transformers", "ray", "pandas", "openai", "numpy", "PIL"]
    code = f"import sys, dataflow.operators.core_vision; print(sorted(set({heavy}) & set(sys.modules)))"
    made = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert made.stdout == "[]\n"


class Edits:
    """Three pictures and their edits in a folder that is the working directory."""

    def __init__(self, folder: Path) -> None:
        self.rows: list[dict[str, Any]] = [
            {"conversations": [{"content": f"edit {n}", "role": "user"}], "images": [f"./in/{n}.png"]} for n in range(3)
        ]
        for n in range(3):
            draw(folder / "in" / f"{n}.png", ("red", "green", "blue")[n])
        self.folder = folder

    def run(self, **settings: Any) -> tuple[ScriptedWorker, Any]:
        write_rows(self.folder / "prompts.jsonl", self.rows)
        self.storage = FileStorage("prompts.jsonl", cache_path="./cache")
        painter = ScriptedWorker(save_path=os.path.join(self.storage.cache_path, "images"))
        summary = PromptedImageEditGenerator(painter).run(self.storage.step(), **settings)
        return painter, summary

    def results(self) -> list[list[str]]:
        return [row["edited_images"] for row in read_rows(self.storage.current.target)]


@pytest.fixture
def edits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edits:
    monkeypatch.chdir(tmp_path)
    return Edits(tmp_path)


def test_every_picture_of_a_step_file_is_named_by_its_absolute_path(
    edits: Edits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits.rows[2]["edited_images"] = "./in/0.png"  # kept as it is
    edits.rows.append({"conversations": "never asked", "images": ["nowhere.png"]})
    _, summary = edits.run()
    rows = read_rows(edits.storage.current.target)
    assert (summary.rows, summary.pictures, summary.failed) == (4, 2, 1)
    monkeypatch.chdir("/")
    for row in rows[:2]:
        assert row["images"][0].startswith(f"{tmp_path}/in/")
        assert row["edited_images"][0].startswith(f"{tmp_path}/cache/images/")
        assert all(Path(path).is_file() for path in (*row["images"], *row["edited_images"]))
    assert (rows[2]["images"], rows[2]["edited_images"]) == ([f"{tmp_path}/in/2.png"], f"{tmp_path}/in/0.png")
    assert (rows[3]["images"], rows[3]["edited_images"]) == (["nowhere.png"], [])


@pytest.mark.parametrize(("damaged", "asked"), [(False, {}), (True, {}), (False, {"n": 2})])
def test_of_several_pictures_the_last_is_in_the_row(edits: Edits, asked: dict[str, Any], *, damaged: bool) -> None:
    draft, final = (draw_png(mark_of(word)) for word in ("draft", "final"))
    both = [draft[:-30] if damaged else draft, final]
    with LoopbackServer(act_for=lambda asked: Act(body=shapes.whole("images", both))) as server:
        write_rows(Path("prompts.jsonl"), edits.rows[:1])
        edits.storage = FileStorage("prompts.jsonl", cache_path="./cache")
        serving = APIVLMServing_openai(
            server.url, model_name="nano", image_io=ImageIO("cache/images"), extra_body=asked
        )
        summary = PromptedImageEditGenerator(serving).run(edits.storage.step())
        assert server.requests == 1
    (path,) = edits.results()[0]
    assert read_mark(path) == mark_of("final")
    assert summary.accepted == 1


def test_nothing_is_asked_again_and_pictures_are_not_read_again(edits: Edits) -> None:
    edits.run()
    first = edits.results()
    again, summary = edits.run()
    assert (again.prompts, summary.reused, edits.results()) == ([], 3, first)


def test_a_deleted_picture_is_asked_again_and_counted(edits: Edits) -> None:
    edits.run()
    Path(edits.results()[1][0]).unlink()
    again, summary = edits.run()
    assert (again.prompts, summary.lost, summary.adopted) == (["edit 1"], 1, 0)
    assert "1 asked again (picture gone)" in str(summary)
    assert all(Path(path).is_file() for (path,) in edits.results())


def test_a_whole_picture_without_a_line_is_adopted_and_a_damaged_one_is_not(edits: Edits) -> None:
    edits.run()
    first = edits.results()
    journal = Path("cache/.dataflow/journal.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(line for line in lines if b'"t":"got"' not in line))
    damaged = Path(first[2][0])
    damaged.write_bytes(damaged.read_bytes()[:-20])
    again, summary = edits.run()
    assert (again.prompts, summary.adopted, summary.reused) == (["edit 2"], 2, 0)
    assert edits.results() == first
    again, summary = edits.run()
    assert (again.prompts, summary.adopted, summary.reused) == ([], 0, 3)


def test_an_input_picture_that_changed_is_asked_again_and_one_that_was_touched_is_not(edits: Edits) -> None:
    edits.run()
    os.utime("in/0.png", (1, 1))
    draw(Path("in/1.png"), "black")
    again, _ = edits.run()
    assert again.prompts == ["edit 1"]


def test_a_bad_picture_fails_its_row_before_it_costs_anything(edits: Edits) -> None:
    Path("in/0.png").write_bytes(b"")
    edits.rows[1]["images"] = ["./in/gone.png"]
    edits.rows.append({"conversations": [], "images": ["./in/2.png"]})
    edits.rows.append({"conversations": "x", "images": ["https://example.com/a.png"]})
    edits.rows.append({"conversations": "x", "images": 5})
    painter, summary = edits.run()
    assert painter.prompts == ["edit 2"]
    reasons = [failure["reason"] for failure in read_rows(edits.storage.current.errors)]
    for reason, words in zip(reasons, ("0 bytes", "gone.png", "conversations", "is a URL", "holds 5"), strict=True):
        assert words in reason
    assert summary.failed == 5


def test_if_no_row_has_its_picture_nothing_is_asked_and_the_step_fails(edits: Edits) -> None:
    for row in edits.rows:
        row["images"] = ["nowhere.png"]
    with pytest.raises(StepFailed):
        edits.run()
    assert not Path("cache/images").exists()


def test_a_moved_cache_pays_nothing_again(edits: Edits, tmp_path: Path) -> None:
    edits.run()
    os.rename("cache", "elsewhere")
    storage = FileStorage("prompts.jsonl", cache_path="./elsewhere")
    painter = ScriptedWorker(save_path="./elsewhere/images")
    PromptedImageEditGenerator(painter).run(storage.step())
    assert painter.prompts == []
    (path,) = json.loads(storage.current.target.read_text(encoding="utf-8").splitlines()[0])["edited_images"]
    assert path.startswith(f"{tmp_path}/elsewhere/images/")
    assert Path(path).is_file()


def test_a_copy_of_a_cache_names_its_own_pictures(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", [{"conversations": "a cat", "asked": "make it red"}])

    def edit(cache: Path) -> tuple[list[str], list[str]]:
        storage = FileStorage(tmp_path / "rows.jsonl", cache)
        painter = ScriptedWorker(save_path=cache / "images")
        first = storage.step()
        if not first.target.exists():
            PromptedImageGenerator(painter).run(first)
        PromptedImageEditGenerator(painter).run(storage.step(), input_conversation_key="asked")
        (row,) = read_rows(storage.current.target)
        return [*row["images"], *row["edited_images"]], painter.prompts

    made, asked = edit(tmp_path / "cache")
    shutil.copytree(tmp_path / "cache", tmp_path / "copy")
    copied, asked_again = edit(tmp_path / "copy")
    assert (asked, asked_again) == (["a cat", "make it red"], [])
    assert copied == [path.replace(f"{tmp_path}/cache/", f"{tmp_path}/copy/") for path in made]


def test_a_cache_named_by_dots_behind_a_link_is_where_the_system_finds_it(edits: Edits, tmp_path: Path) -> None:
    (tmp_path / "disk" / "set").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "set")
    write_rows(tmp_path / "prompts.jsonl", edits.rows)
    storage = FileStorage("prompts.jsonl", cache_path="link/../cache")
    steps: list[dict[str, Any]] = [{}, {"input_image_key": "edited_images", "output_image_key": "again"}]
    for columns in steps:
        painter = ScriptedWorker(save_path="link/../cache/images", model=str(columns))
        assert PromptedImageEditGenerator(painter).run(storage.step(), **columns).failed == 0
    for row in read_rows(storage.current.target):
        for (path,) in (row["edited_images"], row["again"]):
            assert Path(path).resolve().is_relative_to(tmp_path / "disk" / "cache" / "images")


def test_two_edits_in_a_row_feed_one_another_and_resume_separately(edits: Edits) -> None:
    def chain() -> tuple[list[str], list[str]]:
        first, _ = edits.run()
        second = ScriptedWorker(save_path="cache/images", model="second")
        PromptedImageEditGenerator(second).run(
            edits.storage.step(), input_image_key="edited_images", output_image_key="again"
        )
        return sorted(first.prompts), sorted(second.prompts)

    assert chain() == (["edit 0", "edit 1", "edit 2"], ["edit 0", "edit 1", "edit 2"])
    assert chain() == ([], [])
    edits.rows[1]["conversations"][0]["content"] = "edit x"
    assert chain() == (["edit x"], ["edit x"])


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

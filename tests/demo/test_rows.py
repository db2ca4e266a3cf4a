"""The demo's rows in the example data are what their generator makes, and each has one right answer."""

import json
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from dataflow.demo.checker import agree
from dataflow.demo.packaged import SHOWN
from dataflow.demo.parsing import outcome
from dataflow.demo.phrases import LANGUAGES
from dataflow.demo.reading import read
from dataflow.demo.rows import WORDINGS, made_rows, write_rows
from dataflow.demo.truth import faults, truth_of
from dataflow.demo.wording import caption
from dataflow.demo.world import PLACES, Scene, draw

FOLDER = Path(__file__).parent.parent.parent / "example_data" / "image_gen" / "demo"
ROWS = made_rows()


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def said(row, column):
    assert all(message["role"] == "user" for message in row[column])
    return [message["content"] for message in row[column]]


def test_the_files_are_what_the_generator_writes(tmp_path):
    write_rows(tmp_path)
    assert files(tmp_path) == files(FOLDER), "run `python -m dataflow.demo.rows`"
    for name in files(FOLDER):
        made, there = tmp_path / name, FOLDER / name
        if there.suffix == ".png":  # the same pixels; the bytes depend on the zlib at hand
            with Image.open(made) as one, Image.open(there) as other:
                assert (one.mode, one.size) == (other.mode, other.size) == ("RGB", (64, 64))
                assert ImageChops.difference(one, other).getbbox() is None, name
        else:
            assert made.read_text(encoding="utf-8") == there.read_text(encoding="utf-8"), name


def test_every_folder_is_named_like_the_real_example_rows():
    assert {path.name for path in FOLDER.iterdir()} == set(ROWS)
    for name in ROWS:
        texts = ((home / name / "prompts.jsonl").read_text(encoding="utf-8") for home in (FOLDER, FOLDER.parent))
        demo, real = (json.loads(text.splitlines()[0]) for text in texts)
        assert set(demo) - {"instructions"} == {*real, "demo_truth"}


@pytest.mark.parametrize(
    ("name", "column"), [("image_edit", "conversations"), ("multi_image_input_gen", "output_img_discript")]
)
def test_an_edit_can_be_asked_for_in_other_words_that_mean_the_same(name, column):
    for made in ROWS[name]:
        ((words,), others) = said(made.row, column), said(made.row, "instructions")
        assert len({words, *others}) == 1 + len(others) > 2
        read_back = [scene for picture in made.pictures.values() if isinstance(scene := read(picture), Scene)]
        given = truth_of(made.row).get("input_image") or read_back
        assert all(agree(outcome(other, given), outcome(words, given)) for other in others)


def test_every_shipped_edit_is_asked_in_both_languages():
    rows = [made.row for made in ROWS["image_edit"]]
    assert len(rows) == len(SHOWN) * len(LANGUAGES) * len(WORDINGS)
    english = [row for row in rows if said(row, "conversations")[0].isascii()]
    assert len(english) == len(SHOWN) * len(WORDINGS)
    assert len({row["conversations"][0]["content"] for row in rows}) == len(rows)
    assert len({json.dumps(row["demo_truth"]) for row in rows}) == len(rows)


@pytest.mark.parametrize("made", ROWS["image_edit"], ids=lambda made: made.row["images"][0])
def test_the_target_is_right_and_the_untouched_picture_is_not(made, tmp_path):
    ((target,),) = truth_of(made.row).values()
    draw(target).save(tmp_path / "target.png")
    for name, picture in made.pictures.items():
        picture.save(tmp_path / name)
    assert faults(["target.png"], [target], tmp_path.joinpath) == [""]
    assert faults(made.row["images"][-1:], [target], tmp_path.joinpath) != [""]


def test_a_drawing_is_asked_for_by_the_caption_of_its_scene():
    for made in ROWS["text2image"]:
        (scene,) = truth_of(made.row)["images"]
        (words,) = said(made.row, "conversations")
        language = LANGUAGES[not words.isascii()]
        assert words in {caption(scene, language, phrasing) for phrasing in range(4)}
        assert all((shape.x, shape.y) in PLACES.values() for shape in scene.shapes)


def test_a_composition_brings_a_shape_of_the_first_drawing_into_the_second():
    for made in ROWS["multi_image_input_gen"]:
        truth = truth_of(made.row)
        first, second = truth["input_image"]
        (target,) = truth["output_image"]
        words = said(made.row, "input_text")
        language = LANGUAGES[not words[0].isascii()]
        for text, scene in zip(words, (first, second), strict=True):
            assert text in {caption(scene, language, phrasing) for phrasing in range(4)}
        (new,) = set(target.shapes) - set(second.shapes)
        assert (new.pair, new.size) in {(shape.pair, shape.size) for shape in first.shapes}
        assert len(said(made.row, "output_img_discript")) == 1

"""The shipped example rows and pictures are whole, credited and small."""

import re
from pathlib import Path

import orjson
import pytest

from dataflow.core.records import Row
from dataflow.io.image import check_picture

FOLDER = Path(__file__).parent.parent / "example_data" / "image_gen"
EDIT = FOLDER / "image_edit"


def rows_of(name: str) -> list[Row]:
    text = (FOLDER / name / "prompts.jsonl").read_text(encoding="utf-8")
    assert "\\u" not in text
    return [orjson.loads(line) for line in text.splitlines()]


def messages(row: Row, key: str) -> list[str]:
    assert all(set(message) == {"content", "role"} and message["role"] == "user" for message in row[key])
    texts = [message["content"] for message in row[key]]
    assert all(text.strip() for text in texts)
    return texts


@pytest.mark.parametrize(
    ("name", "columns", "count"),
    [
        ("image_edit", {"conversations", "images", "edited_images"}, range(10, 13)),
        ("multi_image_input_gen", {"input_text", "output_img_discript"}, range(6, 11)),
        ("text2image", {"conversations"}, range(6, 11)),
    ],
)
def test_every_row_has_the_columns_of_the_guide(name: str, columns: set[str], count: range) -> None:
    rows = rows_of(name)
    assert len(rows) in count
    assert all(set(row) == columns for row in rows)
    chinese = [row for row in rows if re.search("[一-鿿]", str(row))]
    assert len(rows) // 3 <= len(chinese) <= len(rows) * 2 // 3


def test_edit_rows_have_one_instruction_and_one_to_four_pictures_beside_them() -> None:
    rows = rows_of("image_edit")
    for row in rows:
        assert len(messages(row, "conversations")) == 1
        assert row["edited_images"] == [""]
        for name in row["images"]:
            assert Path(name).name == name
            assert max(check_picture(str(EDIT / name))[1:]) <= 640
    assert {len(row["images"]) for row in rows} == {1, 2, 3, 4}
    assert messages(rows[0], "conversations") == ["Change the woman's clothes to a white dress."]


def test_several_conditions_and_one_scene_to_a_row() -> None:
    for row in rows_of("multi_image_input_gen"):
        assert 2 <= len(messages(row, "input_text")) <= 4
        assert len(messages(row, "output_img_discript")) == 1
    for row in rows_of("text2image"):
        assert len(messages(row, "conversations")) == 1


def test_every_picture_is_used_and_credited() -> None:
    there = {path.name for path in EDIT.glob("*.png")}
    assert there == {name for row in rows_of("image_edit") for name in row["images"]}
    text = (EDIT / "CREDITS.md").read_text(encoding="utf-8")
    for name in there:
        assert re.search(rf"^\| `{name}` \|.*\| (CC0|public domain) \|$", text, re.MULTILINE), name


def test_all_of_it_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 6_000_000

"""Columns are found by what rows hold, and by name where somebody gave one."""

from dataflow.view.shown import ShownColumns, find_columns

ROW = {"conversations": [{"role": "user", "content": "erase it"}], "images": ["a.png"], "edited_images": ["b.jpg"]}


def test_an_edit_has_pictures_before_and_after() -> None:
    assert find_columns([ROW]) == ShownColumns("images", "conversations", "edited_images")


def test_a_drawing_has_nothing_before_it() -> None:
    row = {"conversations": "a cat", "images": ["a.png"]}
    assert find_columns([row], output="images") == ShownColumns("", "conversations", "images")
    checked = {"input_text": "a cat", "input_image": ["a.png"], "condition_verdict": {"accepted": True}}
    assert find_columns([checked]) == ShownColumns("", "input_text", "input_image", "condition_verdict")


def test_rows_without_a_result_yet_have_pictures_before() -> None:
    assert find_columns([{**ROW, "edited_images": []}], output="edited_images").images == "images"


def test_columns_of_ones_own_are_found_by_their_pictures() -> None:
    found = find_columns([{"prompt": "make it red", "left": "a.webp", "right": "b.webp", "mask": "m.png"}])
    assert found == ShownColumns("left", "prompt", "right", mask="mask")


def test_a_column_that_is_named_wins() -> None:
    row = {**ROW, "text": "erase it", "third": "c.png"}
    found = find_columns([row], given=ShownColumns(instruction="text", edits="third", verdict="said"))
    assert found == ShownColumns("images", "text", "third", "said")


def test_what_is_no_picture_is_none() -> None:
    assert find_columns([{"images": [{"a": 1}], "edited_images": 7, "conversations": None}]) == ShownColumns(
        instruction="conversations"
    )
    assert ShownColumns("images", "conversations", "edited_images").edits_of(
        {"edited_images": ["a.png", 3, "", None]}
    ) == ["a.png"]

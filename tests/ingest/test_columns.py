"""`--columns`: paths into records, what becomes of them, and what is said of those that lead nowhere."""

import re

import pytest

from dataflow.errors import ConfigError, RowError
from dataflow.ingest.columns import pick, read_columns, suggest
from dataflow.ingest.records import Shape

FIELDS = {
    "edit": {"text": "turn it red", "files": [{"url": "a"}, {"url": "b"}]},
    "input.png": b"1",
    "empty": None,
    "prompts": ["one", "two"],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("edit.text", "turn it red"),
        ("edit.files[0].url", "a"),
        ("edit.files[-1].url", "b"),
        ("edit.files.url", ["a", "b"]),
        ("input.png", b"1"),
        ("prompts[1]", "two"),
        ("prompts[2]", None),
        ("edit.words", None),
        ("empty.whatever", None),
    ],
)
def test_a_path_leads_through_objects_and_lists(path: str, found: object) -> None:
    assert pick(FIELDS, path) == found


def test_a_path_into_a_text_is_said() -> None:
    with pytest.raises(RowError, match="no `more` in a value that is no object"):
        pick(FIELDS, "edit.text.more")


def test_columns_get_the_names_that_operators_read() -> None:
    columns = read_columns("images=a, images=b ,edited=c,instruction=d,license=e,id=f")
    assert [column for column, _ in columns.pairs] == [
        "images",
        "images",
        "edited_images",
        "conversations",
        "licence",
        "id",
    ]
    pictures, others = columns.values({"a": b"1", "b": None, "c": [b"2"], "d": "do it", "e": "CC0", "f": 7})
    assert pictures == {"images": [b"1", None], "edited_images": [[b"2"]]}
    assert others == {"conversations": [{"role": "user", "content": "do it"}], "licence": "CC0", "id": 7}


def test_messages_stay_as_they_are_and_without_text_fail_the_row() -> None:
    columns = read_columns("instruction=said")
    said = [{"from": "human", "value": "turn it red"}, {"from": "gpt", "value": "done"}]
    assert columns.values({"said": said})[1] == {"conversations": said}
    for nothing in (None, " ", [], [{"from": "gpt", "value": "done"}]):
        with pytest.raises(RowError):
            columns.values({"said": nothing})


@pytest.mark.parametrize("text", ["images", "=a", "mask=a,mask=b", "instruction=a,instruction=b"])
def test_columns_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--columns"):
        read_columns(text)


def test_a_missing_field_names_those_that_there_are() -> None:
    shape: Shape = {"image": "picture", "edit": {"text": "string", "files": [{"url": "string"}]}}
    read_columns("images=image,instruction=edit.text,x=edit.files[3].url,y=edit.files.url").check(shape, "a.parquet")
    with pytest.raises(
        ConfigError, match=r"images=picture: a.parquet has no field .* image, edit.text, edit.files\[\]"
    ):
        read_columns("images=picture").check(shape, "a.parquet")


def test_a_picture_is_no_other_column() -> None:
    shape: Shape = {"image": "picture", "files": ["picture"]}
    read_columns("images=image,images=files,mask=image,edited=files[0]").check(shape, "a.tar")
    for other in ("control=image", "instruction=files[0]"):
        with pytest.raises(
            ConfigError, match=rf"{re.escape(other)}: .* is a picture: images, edited or mask takes one"
        ):
            read_columns(other).check(shape, "a.tar")
    assert read_columns("images=image").with_carried({"image": "picture", "author": "picture"}).pairs[1:] == ()


def test_who_gives_no_columns_is_shown_some() -> None:
    said = str(suggest({"source_image": "picture", "edit_instruction": "string", "width": "int64"}, "a.parquet"))
    assert "--columns images=source_image,instruction=edit_instruction;" in said
    assert "source_image, edit_instruction, width" in said


def test_licence_and_credit_come_along_unasked() -> None:
    shape = {"image": "picture", "license": "string", "author": "string"}
    assert read_columns("images=image").with_carried(shape).pairs[1:] == (("licence", "license"), ("credit", "author"))
    asked = read_columns("images=image,licence=license,credit=image")
    assert asked.with_carried(shape) == asked

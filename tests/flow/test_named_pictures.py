"""The pictures that a row names: found by their endings, and written as absolute paths."""

import pytest

from dataflow.core.records import Row
from dataflow.errors import RowError
from dataflow.flow.named_pictures import named_pictures, names_in, with_paths

ROW: Row = {"image": "a.png", "more": ["b.JPG", "a.png", 3, None], "text": "not a picture", "other": "c.png"}


def resolve(name: str) -> str:
    if name == "b.JPG":
        raise RowError("no picture 'b.JPG'")
    return f"/pictures/{name}"


def test_names_are_texts_of_the_given_columns_that_end_like_pictures() -> None:
    assert [*names_in(ROW, ("image", "more", "text", "absent"))] == ["a.png", "b.JPG", "a.png"]


def test_a_picture_that_does_not_exist_keeps_its_name() -> None:
    paths = named_pictures(ROW, ("image", "more"), resolve)
    assert paths == {"a.png": "/pictures/a.png"}
    assert with_paths(ROW, ("image", "more", "absent"), paths) == {
        **ROW, "image": "/pictures/a.png", "more": ["b.JPG", "/pictures/a.png", 3, None],
    }  # fmt: skip


@pytest.mark.parametrize("columns", [(), ("text",)])
def test_other_columns_stay(columns: tuple[str, ...]) -> None:
    assert with_paths(ROW, columns, {"c.png": "/c.png", "a.png": "/a.png"}) == ROW

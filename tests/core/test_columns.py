"""The guide's conversations in every legal form, and the illegal ones."""

from typing import Any

import pytest

from dataflow.core.columns import prompts
from dataflow.errors import RowError


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ([{"content": "red", "role": "user"}], ["red"]),
        ([{"content": "red"}], ["red"]),
        (["red", {"content": "blue"}], ["red", "blue"]),
        ("red", ["red"]),
        ({"content": "red"}, ["red"]),
        ([{"content": "a"}, {"content": "ok", "role": "assistant"}, {"content": "b"}], ["a", "b"]),
        ([{"content": "  "}, {"content": " 把花瓶变红 "}], [" 把花瓶变红 "]),
        ([{"content": None, "role": "assistant"}, "a"], ["a"]),
    ],
)
def test_texts_of_all_that_is_not_the_assistants(value: Any, texts: list[str]) -> None:
    assert prompts(value, "c") == texts


@pytest.mark.parametrize(
    "value",
    [
        [],
        "",
        " ",
        [{}],
        [{"content": ""}],
        [{"content": 5}],
        [5],
        None,
        7.5,
        [["a"]],
        [{"role": "assistant", "content": "a"}],
    ],
)
def test_anything_else_fails_the_row_and_names_the_column(value: Any) -> None:
    with pytest.raises(RowError, match="`c`"):
        prompts(value, "c")

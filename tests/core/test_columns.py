"""The guide's conversations in every legal form, and the illegal ones."""

from typing import Any

import pytest

from dataflow.core.columns import mask_path, picture_paths, prompts
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
        ([{"role": "system", "content": "Paint."}, {"role": "user", "content": "a"}, {"from": "gpt"}], ["a"]),
        ([{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}, {"from": "observation"}], ["a"]),
        ([{"role": "tool", "content": [1]}, {"role": "Developer"}, {"role": "USER", "content": "a"}], ["a"]),
        ([{"role": "model", "content": "b"}, {"role": "painter", "content": "a"}], ["a"]),
        ('{"scene": "a street", "subjects": ["a fox"]}', ['{"scene": "a street", "subjects": ["a fox"]}']),
        ('["Red"] at the top, ["Blue"] below', ['["Red"] at the top, ["Blue"] below']),
        ('{"content": "a fox", "style": "ink"}', ['{"content": "a fox", "style": "ink"}']),
        ("[wide shot] a fox", ["[wide shot] a fox"]),
    ],
)
def test_texts_of_all_that_the_user_says(value: Any, texts: list[str]) -> None:
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
        [{"role": "system", "content": "a"}],
        [{"from": "human"}],
        [{"from": "human", "value": 5}],
    ],
)
def test_anything_else_fails_the_row_and_names_the_column(value: Any) -> None:
    with pytest.raises(RowError, match="`c`"):
        prompts(value, "c")


@pytest.mark.parametrize(
    "text",
    [
        str([{"role": "user", "content": "Put both on one table."}]),
        str([{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]),
        "[{'content': 'one', 'role': 'user'}\n {'content': 'two', 'role': 'user'}]",  # of a numpy array
        '[{"role": "user", "content": "JSON in JSON"}]',
        str({"role": "user", "content": "a"}),
        str(["a", "b"]),
        "['a' 'b']",
    ],
)
def test_a_list_that_was_written_as_text_is_no_prompt(text: str) -> None:
    with pytest.raises(RowError, match=r"`c` holds a list that was written as text.*json\.dumps"):
        prompts(text, "c")


@pytest.mark.parametrize("text", [str(["a.png", "b.png"]), "['a.png' 'b.png']", ' ["a.png"]\n'])
def test_a_list_that_was_written_as_text_is_no_path(text: str) -> None:
    with pytest.raises(RowError, match=r"`c` holds a list that was written as text.*json\.dumps"):
        picture_paths(text, "c")
    assert picture_paths("[1] ['a'].png", "c") == ("[1] ['a'].png",)


@pytest.mark.parametrize(
    ("value", "path"), [("m.png", "m.png"), (["m.png"], "m.png"), (None, None), ("", None), (float("nan"), None)]
)
def test_a_mask_is_one_path_or_none(value: Any, path: str | None) -> None:
    assert mask_path(value, "mask") == path


@pytest.mark.parametrize(
    ("value", "said"),
    [([], "no `mask`: the step that makes it failed"), (["a", "b"], "holds 2 paths: give one mask"), (5, "holds 5")],
)
def test_what_is_no_mask_fails_the_row(value: Any, said: str) -> None:
    with pytest.raises(RowError, match=said):
        mask_path(value, "mask")

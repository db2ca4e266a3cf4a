"""JSON values of unknown type, narrowed to the expected one."""

import pytest

from dataflow.core.records import JSON
from dataflow.serving.dialects.narrow import as_dict, as_dicts, as_list, as_number, as_text, merged

VALUES: list[JSON] = [None, True, 7, "7", [{"a": 1}, 2, None, {}], {"a": 1}]


def test_a_value_of_another_type_counts_as_absent() -> None:
    assert [as_dict(value) for value in VALUES] == [{}, {}, {}, {}, {}, {"a": 1}]
    assert [as_list(value) for value in VALUES] == [[], [], [], [], [{"a": 1}, 2, None, {}], []]
    assert [as_dicts(value) for value in VALUES] == [[], [], [], [], [{"a": 1}, {}], []]
    assert [as_text(value) for value in VALUES] == ["", "", "", "7", "", ""]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7.0),
        ("7.5", 7.5),
        ("1e999", None),
        ("seven", None),
        (True, None),
        (10**400, None),
        (None, None),
        ([7], None),
    ],
)
def test_a_number_is_finite_and_may_be_written_as_text(value: JSON, number: float | None) -> None:
    assert as_number(value) == number


def test_fields_of_the_user_replace_ours_and_objects_are_merged_one_level_deep() -> None:
    ours: dict[str, JSON] = {"a": 1, "object": {"kept": 1, "both": {"lost": 1}}, "list": [1]}
    theirs: dict[str, JSON] = {"a": 2, "object": {"both": {"new": 2}}, "list": [2]}
    assert merged(ours, theirs) == {"a": 2, "object": {"kept": 1, "both": {"new": 2}}, "list": [2]}
    assert ours["object"] == {"kept": 1, "both": {"lost": 1}}, "the given values stay as they are"
    assert merged({"a": {"b": 1}}, {"a": 7}) == {"a": 7}

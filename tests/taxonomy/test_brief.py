"""The brief of a row: its prompt, its schema, and the brief read back from the prompt."""

import json

import pytest

from dataflow.taxonomy.brief import CHOSEN, Brief, meaning, read_brief, schema_of, write_choice, write_prompt
from dataflow.taxonomy.taxonomy import shipped_taxonomy

PAIR = Brief("subjects", "en", ("en",), names_target=True, pictures=2, refer="position")


def test_a_brief_is_read_back_from_its_prompt() -> None:
    brief = Brief("subjects", "zh", ("en", "zh"), True, 3, "label", "油画", {"thing": "陶瓷花瓶"})
    prompt = write_prompt(brief, shipped_taxonomy().operations["subjects"])
    assert read_brief(prompt) == brief
    assert all(f"- {name}: " in prompt for name in brief.fields)
    assert read_brief("Draw a cat.") is None


def test_the_schema_names_every_field_and_is_canonical() -> None:
    schema = json.loads(PAIR.schema)
    assert schema["required"] == [
        *("description_1", "target_1", "description_2", "target_2"),
        *("short_en", "long_en"),
    ]
    assert PAIR.schema == json.dumps(schema, sort_keys=True, separators=(",", ":"))


def test_examples_of_several_pictures_are_shown_only_with_their_way_of_referring() -> None:
    operation = shipped_taxonomy().operations["subjects"]
    said = operation.example["short_en"]
    assert said in write_prompt(PAIR, operation)
    assert said not in write_prompt(Brief("subjects", "en", ("en",), True, 2, "label"), operation)


def test_a_choice_lists_the_operations_and_asks_for_the_name_first() -> None:
    offered = [shipped_taxonomy().operations[name] for name in ("recolour", "remove")]
    prompt = write_choice(Brief("", "en", ("en",), names_target=True), offered)
    listed = [line.partition(":")[0] for line in prompt.splitlines() if line.startswith("- ")]
    assert listed == ["- recolour", "- remove", f"- {CHOSEN}", "- description", "- target", "- short_en", "- long_en"]
    assert read_brief(prompt) is None


@pytest.mark.parametrize(
    ("brief", "field", "exact"),
    [
        (Brief("remove", "en", ("en", "zh"), names_target=True), "short_en", True),
        (Brief("remove", "en", ("en", "zh"), names_target=True), "short_zh", False),
        (Brief("art_style", "en", ("en",), names_target=False), "short_en", False),
        (PAIR, "short_en", False),
        (Brief("subjects", "en", ("en",), True, 2, "words"), "short_en", True),
    ],
    ids=["own language", "another language", "no target", "by position", "by words"],
)
def test_the_words_of_the_target_are_asked_for_where_an_answer_is_held_to_them(
    brief: Brief, field: str, exact: bool
) -> None:
    assert ("exact words of the target" in meaning(field, brief)) is exact


def test_a_schema_has_text_fields_and_no_others() -> None:
    schema = json.loads(schema_of(("b", "a")))
    assert (schema["required"], schema["additionalProperties"]) == (["b", "a"], False)
    assert schema["properties"]["a"] == {"type": "string", "minLength": 1}

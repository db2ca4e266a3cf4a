"""The columns that a writer's answer comes to."""

from dataflow.operators.core_text.wording import description_messages, instruction_columns, operation_columns
from dataflow.taxonomy.brief import Brief
from dataflow.taxonomy.taxonomy import shipped_taxonomy

FORMS = {"short_en": "Red.", "long_en": "Make it red.", "short_zh": "红", "long_zh": "变成红色"}
ONE = Brief("recolour", "zh", ("en", "zh"), names_target=True)
TWO = Brief("subjects", "en", ("en",), names_target=True, pictures=2, refer="label", style="oil")
DESCRIBED = {"description_1": "a dog", "target_1": "dog", "description_2": "a cat", "target_2": "cat"}


def user(text: str) -> dict[str, str]:
    return {"content": text, "role": "user"}


def test_each_picture_has_its_description_as_a_message() -> None:
    assert description_messages({"description": "a cup"}, ONE) == [user("a cup")]
    assert description_messages(DESCRIBED, TWO) == [user("a dog"), user("a cat")]


def test_the_edit_uses_one_form_in_the_language_of_the_description_and_all_forms_are_kept() -> None:
    row = instruction_columns({**FORMS, "target": "cup"}, ONE, "asked", length="long")
    assert row["asked"] == [user("变成红色")]
    assert (row["language"], row["targets"]) == ("zh", ["cup"])
    forms = [(each["language"], each["length"], each["content"]) for each in row["instructions"]]
    assert forms == [
        ("en", "short", "Red."),
        ("en", "long", "Make it red."),
        ("zh", "short", "红"),
        ("zh", "long", "变成红色"),
    ]
    assert "style" not in row


def test_rows_of_several_pictures_say_their_style_and_how_they_are_referred_to() -> None:
    row = instruction_columns({**FORMS, **DESCRIBED}, TWO, "asked", length="short")
    assert (row["targets"], row["style"], row["refer"]) == (["dog", "cat"], "oil", "label")


def test_an_operation_without_a_target_has_no_targets() -> None:
    assert "targets" not in instruction_columns(FORMS, Brief("season", "en", ("en",), False), "asked", length="long")


def test_an_operation_is_named_with_its_group() -> None:
    assert operation_columns(shipped_taxonomy().operations["pose"]) == {"edit_type": "person", "sub_type": "pose"}

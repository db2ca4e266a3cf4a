"""What an answer is held to, and how each fault is called."""

import json

import pytest

from dataflow.errors import UnfitAnswer
from dataflow.taxonomy.answers import language_of, read_answer
from dataflow.taxonomy.brief import Brief

BRIEF = Brief("remove", "en", ("en", "zh"), names_target=True)
GOOD = {
    "description": "A black cat sleeps beside a clay pot on a windowsill.",
    "target": "clay pot",
    "short_en": "Remove the clay pot.",
    "long_en": "Remove the clay pot beside the sleeping cat and fill in the windowsill.",
    "short_zh": "去掉陶盆。",
    "long_zh": "去掉睡着的猫旁边的陶盆，补全窗台。",
}
TOGETHER = {
    "description_1": "A white dog stands on grey ground.",
    "target_1": "white dog",
    "description_2": "A red kite lies on grey ground.",
    "target_2": "red kite",
    "short_en": "The dog of the first image chases the kite of the second image.",
    "long_en": "The dog of the first image runs along a beach after the kite of the second image, high in the wind.",
}


def fault_of(text: str, brief: Brief = BRIEF) -> str:
    with pytest.raises(UnfitAnswer) as error:
        read_answer(text, brief)
    return error.value.fault


def test_a_good_answer_is_read_bare_fenced_and_between_words() -> None:
    text = json.dumps(GOOD, ensure_ascii=False)
    for whole in (text, f"```json\n{text}\n```", f"Here you are:\n```\n{text}\n```\nEnjoy!", f"Sure! {text} Done."):
        assert read_answer(whole, BRIEF) == GOOD
    assert "note" not in read_answer(json.dumps({**GOOD, "note": "x"}), BRIEF)


def test_a_draft_within_a_thought_is_no_answer() -> None:
    draft, final = (json.dumps({**GOOD, "short_en": words}) for words in ("Remove the cat.", GOOD["short_en"]))
    for before in (f"<think>\n```json\n{draft}\n```\nNo, {{bad}}.</think>", f"{draft} is bad.\n</think>\n"):
        for after in (final, f"```json\n{final}\n```"):
            assert read_answer(f"{before}\n{after}", BRIEF) == GOOD
    assert fault_of(f"<think>\n{draft}") == "not_json"


def test_half_a_character_and_a_line_break_within_a_field_are_read() -> None:
    text = json.dumps(GOOD).replace("Remove the clay pot.", "Remove the clay\npot \\ud83d")
    assert read_answer(text, BRIEF)["short_en"] == "Remove the clay pot \ufffd"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not_json"),
        ('{"description": "A cat', "not_json"),
        ('```json\n{"description": \n```', "not_json"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("抱歉，我无法协助。", "refusal"),
    ],
)
def test_what_is_no_json(text: str, fault: str) -> None:
    assert fault_of(text) == fault


def test_words_on_a_sign_may_look_like_a_refusal() -> None:
    sign = {
        "description": 'A shop door with a sign that reads "SORRY, CLOSED".',
        "target": "SORRY, CLOSED",
        "short_en": 'Remove "SORRY, CLOSED".',
        "long_en": 'Remove the words "SORRY, CLOSED" from the shop door.',
    }
    brief = Brief("text_remove", "en", ("en",), names_target=True)
    assert read_answer(json.dumps(sign), brief) == sign


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"target": None}, "missing_field"),
        ({"long_zh": "  "}, "missing_field"),
        ({"short_en": ["Remove it."]}, "missing_field"),
        ({"long_en": "I cannot describe the removal of the clay pot."}, "refusal"),
        ({"description": "一只黑猫睡在陶盆旁边。"}, "wrong_language"),
        ({"short_zh": "Remove the clay pot."}, "wrong_language"),
        ({"short_en": "去掉陶盆。"}, "wrong_language"),
        ({"long_zh": "ねこの隣の植木鉢を取り除いてください。"}, "wrong_language"),
        ({"long_en": "Удалите горшок clay pot с подоконника, пожалуйста."}, "wrong_language"),
        ({"long_en": "Clay pot: go."}, "not_shorter"),
        ({"long_zh": "去掉陶盆。"}, "not_shorter"),
        ({"target": "flower pot"}, "unnamed_target"),
        ({"short_en": "Take the vessel away."}, "unnamed_target"),
        ({"description": "A clay pot. " * 200}, "too_long"),
    ],
)
def test_a_fault_has_its_name(changes: dict[str, object], fault: str) -> None:
    assert fault_of(json.dumps({**GOOD, **changes})) == fault


def test_quoted_words_may_be_of_any_language() -> None:
    assert language_of('Write "早安" on the mug.') == "en"
    assert language_of("把“OPEN LATE”变成霓虹字。") == "zh"
    assert language_of("在T恤上加一个LED灯。") == "zh"
    assert language_of("12 + 3") == ""


@pytest.mark.parametrize(
    ("refer", "short", "fault"),
    [
        ("position", "The dog of the 1st image chases the kite of the 2nd.", ""),
        ("position", "The dog chases the kite of the second image.", "unclear_reference"),
        ("label", "The dog of Image 1 chases the kite of picture 2.", ""),
        ("label", "The dog of the first image chases Image 2.", "unclear_reference"),
        ("words", "The white dog chases the red kite.", ""),
        ("words", "The white dog chases it.", "unnamed_target"),
    ],
)
def test_several_pictures_are_referred_to_as_asked(refer: str, short: str, fault: str) -> None:
    brief = Brief("subjects", "en", ("en",), names_target=True, pictures=2, refer=refer)
    long = {"position": TOGETHER["long_en"], "label": "On a beach the dog of Image 1 runs and runs after Image 2."}
    answer = {**TOGETHER, "short_en": short, "long_en": long.get(refer, "The white dog runs after the red kite there.")}
    if fault:
        assert fault_of(json.dumps(answer), brief) == fault
    else:
        assert read_answer(json.dumps(answer), brief)["short_en"] == short

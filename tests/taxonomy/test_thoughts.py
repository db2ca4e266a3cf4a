"""What is an answer, and what a model only thought."""

import time

import pytest

from dataflow.taxonomy.thoughts import without_analysis, without_thoughts


@pytest.mark.parametrize(
    "text",
    [
        "<think>\nNo {draft}.\n</think>\n\nRed.",
        "<think>First</think>Red.",
        "<think></think>\n<think>Twice</think>\nRed.",
        "  <thinking>a</thinking> Red.",
        "<seed:think>a</seed:think>Red.",
        "◁think▷a◁/think▷Red.",
        "[THINK]a[/THINK]\nRed.",
        "The template wrote the beginning {x}.\n</think>\n\nRed.",
        "It ends on its line.</think>\nRed.",
        "<think>It says </think>\n twice.</think>\nRed.",
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Red.<|return|>",
        "Red.\n<think>and blue, without an end",
        "<THINK>a</Think>Red.",
        "<think type='long' budget=\"9\">a</think>Red.",
        "Red.\n<thinking level=2>and blue",
        '<details type="reasoning" done="true">\n<summary>Thought</summary>a</details>\nRed.',
        "<|begin_of_thought|>a<|end_of_thought|>\nRed.",
    ],
)
def test_a_thought_is_taken_out(text: str) -> None:
    assert without_thoughts(text) == "Red."


@pytest.mark.parametrize("text", ["<think>\nIt never ends {x}", "<think>a</think>\n", "a\n</think>"])
def test_who_only_thought_has_said_nothing(text: str) -> None:
    assert without_thoughts(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Red. ",
        '{"short_en": "Write <think> on the sign"}',
        '{"short_en": "Write <think>hm</think> on the sign"}',
        '{"short_en": "End the sign with </think> in red"}',
        "<details>\n<summary>More</summary>Red.</details>\nBlue.",
        "<thinker>Red.</thinker>\nBlue.",
        "Use [THINK] and ◁think▷ as words.",
    ],
)
def test_an_answer_may_speak_of_the_marks(text: str) -> None:
    assert without_thoughts(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "<think>",
        "\n<think>",
        "</think>\n",
        "\n<think></think>",
        "<think>\n</think>x",
        "  ",
        "<details type=",
        "\n<details type=reasoning>",
    ],
)
def test_a_megabyte_of_marks_takes_no_second(piece: str) -> None:
    began = time.process_time()
    without_thoughts(piece * (1_000_000 // len(piece)))
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<analysis>It is red.</analysis>\nRed.", "Red."),
        ("<Analysis>It never ends", ""),
        ("Red.\n</analysis>", "Red.\n</analysis>"),
        ("The <analysis> tag", "The <analysis> tag"),
        (" Red. ", " Red. "),
    ],
)
def test_analysis_of_a_new_reply_is_taken_out_and_kept_answers_are_read_as_before(text: str, answer: str) -> None:
    assert without_analysis(text) == answer
    assert without_thoughts(text) == text

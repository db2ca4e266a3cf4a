"""What a judge wrote is read as it stands, or is unfit; no number is ever put in its place."""

import json
import random
from collections.abc import Iterator

import pytest

from dataflow.errors import UnfitAnswer
from dataflow.judging.answers import Opinion, read_choice, read_opinion

AXES = ("following", "preservation")
BARE = '{"differences": "the cup is red", "reasoning": "as asked", "following": 8, "preservation": 7}'


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        (BARE, (8, 7)),
        (f"```json\n{BARE}\n```", (8, 7)),
        (f"Here is my judgement of the edit:\n\n{BARE}\nI hope that helps.", (8, 7)),
        ('{"following": 3, "preservation": 10, "reasoning": "the cup is still blue"}', (3, 10)),
        ('{"reasoning": "x", "following": "8", "preservation": " 7.5 / 10 "}', (8, 7.5)),
        ('{"reasoning": "x", "scores": {"following": 8, "preservation": 0}}', (8, 0)),
        ('{"following": {"reasoning": "x", "score": 8}, "preservation": {"reasoning": "y", "score": 6}}', (8, 6)),
        (f'<think>following 2? {{"following": 2, "preservation": 2}}</think>\n{BARE}', (8, 7)),
        ('{"Following": 8, "PRESERVATION": 7}', (8, 7)),
        ('{"reasoning": "two\nlines", "following": 8, "preservation": 7}', (8, 7)),
    ],
)
def test_the_shapes_of_answers_that_models_give_are_read(text: str, scores: tuple[float, float]) -> None:
    assert read_opinion(text, AXES).axes == dict(zip(AXES, scores, strict=True))


def test_what_is_written_beside_the_numbers_is_kept() -> None:
    assert read_opinion(BARE, AXES) == Opinion(
        {"following": 8, "preservation": 7}, {"differences": "the cup is red", "reasoning": "as asked"}
    )


def test_an_axis_of_ones_own_may_have_capitals() -> None:
    assert read_opinion('{"fidelity": 8}', ["Fidelity"]).axes == {"Fidelity": 8}


def test_another_scale_is_brought_to_ours() -> None:
    text = '{"following": 20, "preservation": "25/25"}'
    assert read_opinion(text, AXES, scale=25).axes == {"following": 8, "preservation": 10}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not_json"),
        ("I'm sorry, I can't judge pictures of people.", "not_json"),
        ("following: 8, preservation: 7", "not_json"),
        (BARE[:-12], "not_json"),
        (f"{BARE}\nOr rather:\n{BARE.replace('8', '2')}", "not_json"),
        ('{"following": 8}', "missing_axis"),
        ('{"reasoning": "following 8, preservation 7"}', "missing_axis"),
        ('{"draft": {"following": 2, "preservation": 2}, "final": {"following": 8, "preservation": 7}}', "axis_twice"),
        ('{"following": 8, "following": 2, "preservation": 7}', "axis_twice"),
        ('{"following": 8, "Following ": 2, "preservation": 7}', "axis_twice"),
        (f"```json\n{BARE}\n```\n```json\n{BARE}\n```", "axis_twice"),
        ('{"following": "8 or 9", "preservation": 7}', "no_number"),
        ('{"following": "high", "preservation": 7}', "no_number"),
        ('{"following": null, "preservation": 7}', "no_number"),
        ('{"following": true, "preservation": 7}', "no_number"),
        ('{"following": [8, 7], "preservation": 7}', "no_number"),
        ('{"following": NaN, "preservation": 7}', "off_scale"),
        ('{"following": 11, "preservation": 7}', "off_scale"),
        ('{"following": -1, "preservation": 7}', "off_scale"),
        ('{"following": 1e999, "preservation": 7}', "off_scale"),
        (f'{{"following": {"9" * 400}, "preservation": 7}}', "off_scale"),
        ('{"following": "8/25", "preservation": 7}', "off_scale"),
        ("[" * 100_000, "not_json"),
        ('{"a":' * 100_000, "not_json"),
    ],
)
def test_what_cannot_be_read_is_unfit(text: str, fault: str) -> None:
    with pytest.raises(UnfitAnswer) as error:
        read_opinion(text, AXES)
    assert error.value.fault == fault


@pytest.mark.parametrize(
    ("text", "choice"), [('{"reasoning": "x", "better": "B"}', "B"), ('```json\n{"better": " a "}\n```', "A")]
)
def test_a_choice_is_one_of_the_words_offered(text: str, choice: str) -> None:
    assert read_choice(text, "better", ("A", "B")) == choice


@pytest.mark.parametrize("text", ["", "B", '{"better": "Image A and B"}', '{"better": ["A"]}', '{"winner": "A"}'])
def test_no_choice_is_made_for_a_judge(text: str) -> None:
    with pytest.raises(UnfitAnswer):
        read_choice(text, "better", ("A", "B"))


def damaged(count: int) -> Iterator[tuple[str, dict[str, float] | None]]:
    """Answers with random harm, and the numbers that they state; None where a reader must not find any."""
    rng = random.Random(18)
    for _ in range(count):
        scores = {name: rng.choice([rng.randint(0, 10), round(rng.uniform(0, 10), 1)]) for name in AXES}
        words = {"reasoning": rng.choice(["fine", 'a "sign" saying {8}', "score 10/10", "去掉了杯子"])}
        text = json.dumps({**words, **scores}, ensure_ascii=rng.random() < 0.5)
        match rng.randrange(7):
            case 0:
                yield text, scores
            case 1:
                yield f"Sure!\n```json\n{text}\n```", scores
            case 2:
                yield text[: rng.randrange(1, len(text))], None
            case 3:
                yield json.dumps({**words, AXES[0]: scores[AXES[0]]}), None
            case 4:
                yield (
                    json.dumps({**words, **scores, AXES[1]: rng.choice([None, "good", 11, -2, [3], True, "9-10"])}),
                    None,
                )
            case 5:
                yield text[:-1] + f', "{AXES[0]}": 1}}', None
            case _:
                at = rng.randrange(len(text))
                yield text[:at] + text[at + 1 :], scores


@pytest.mark.parametrize("count", [3000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_no_number_is_guessed_whatever_is_broken(count: int) -> None:
    read = 0
    for text, stated in damaged(count):
        try:
            found = dict(read_opinion(text, AXES).axes)
        except UnfitAnswer:
            continue
        assert stated is not None, text
        if found != stated:  # a character is missing: what is read must still stand there as it was read
            numbers = json.loads(text[text.index("{") : text.rindex("}") + 1])
            assert found == {name: numbers[name] for name in AXES}, text
        read += 1
    assert read > count / 4

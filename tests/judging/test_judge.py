"""From answers to verdicts: asked again once, then unjudged; a judge that is down rejects nothing."""

import json
from collections.abc import Mapping, Sequence

import pytest

from dataflow.core.records import Answer, Request
from dataflow.errors import AnswerError, ConfigError, Failure
from dataflow.judging.judge import Judge, make_judge
from dataflow.judging.rubric import Kind
from dataflow.judging.verdict import Verdict
from tests.kit.workers import Echo

GOOD = {"following": 9, "preservation": 8, "naturalness": 7, "artefacts": 10}
MUMBLED = Answer(text="It looks good to me.", cost=5)


def judge(**settings: object) -> Judge:
    return make_judge(Echo(), None, 7.0, canaries=False, **settings)  # type: ignore[arg-type]


def says(request: Request, numbers: Mapping[str, float]) -> Answer:
    fields = json.loads(request.schema)["properties"]
    return Answer(text=json.dumps({name: numbers.get(name, f"{name} of {request.repeat}") for name in fields}), cost=5)


def run(judge: Judge, answers: Sequence[Mapping[str, float] | Answer]) -> tuple[Verdict, list[Request]]:
    """The verdict where the judge's requests get these answers in turn, and what it asked."""
    asking = judge.judge(["/a.png", "/b.png"], "/edit.png", "make it red", Kind())
    asked: list[Request] = []
    left = list(answers)
    wave = next(asking)
    try:
        while True:
            asked += wave
            given = [left.pop(0) for _ in wave]
            sent = zip(wave, given, strict=True)
            wave = asking.send([each if isinstance(each, Answer) else says(request, each) for request, each in sent])
    except StopIteration as stop:
        assert not left
        return stop.value, asked


def test_two_questions_see_what_they_must_and_make_one_verdict() -> None:
    verdict, (compare, alone) = run(judge(), [GOOD, GOOD])
    assert (compare.images, alone.images) == (("/a.png", "/b.png", "/edit.png"), ("/edit.png",))
    assert (compare.labels, alone.labels) == (("Given picture 1:", "Given picture 2:", "Edited picture:"), ())
    assert (compare.worker, compare.makes, verdict.accepted, verdict.axes) == ("judge", "text", True, GOOD)
    assert verdict.score == pytest.approx((8 * 7) ** 0.5)
    assert (verdict.critique, verdict.cost) == ("reasoning of 0 reasoning of 0", 10)


def test_one_axis_below_its_threshold_rejects() -> None:
    assert run(judge(), [{**GOOD, "preservation": 6.9}, GOOD])[0].accepted is False


def test_what_cannot_be_read_is_asked_once_more() -> None:
    verdict, asked = run(judge(), [MUMBLED, GOOD, GOOD])
    assert (verdict.accepted, verdict.cost, len(asked)) == (True, 15, 3)
    assert asked[2].repeat != asked[0].repeat


def test_it_may_be_asked_more_often_until_it_can_be_read() -> None:
    verdict, asked = run(judge(asks=4), [MUMBLED, GOOD, MUMBLED, GOOD])
    assert (verdict.accepted, verdict.cost) == (True, 20)
    assert len({request.repeat for request in asked}) == 3
    assert run(judge(asks=1), [MUMBLED, GOOD])[0].accepted is None
    assert judge(asks=4).expects == (2, 8)


@pytest.mark.parametrize(
    "answers",
    [[MUMBLED, GOOD, MUMBLED], [Answer(error=Failure("refused", "policy")), GOOD]],
    ids=["unreadable twice", "refused"],
)
def test_without_numbers_an_edit_is_unjudged(answers: list[Answer | Mapping[str, float]]) -> None:
    verdict, _ = run(judge(), answers)
    assert (verdict.accepted, verdict.score, verdict.axes) == (None, None, {})


def test_a_judge_that_is_down_fails_the_row_and_rejects_nothing() -> None:
    with pytest.raises(AnswerError, match="busy"):
        run(judge(), [Answer(error=Failure("retry", "busy")), GOOD])


def test_passes_are_asked_apart_and_their_means_count() -> None:
    verdict, asked = run(judge(passes=2), [GOOD, {**GOOD, "preservation": 5}, GOOD, GOOD])
    assert [request.repeat for request in asked] == [0, 1, 0, 1]
    assert (verdict.axes["preservation"], verdict.accepted) == (6.5, False)


def test_one_pass_that_cannot_be_read_leaves_the_others() -> None:
    verdict, _ = run(judge(passes=2), [GOOD, MUMBLED, GOOD, GOOD, MUMBLED])
    assert verdict.accepted is True


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"passes": 0}, "passes is 0"),
        ({"asks": 0}, "asks is 0"),
        ({"canaries": "/nowhere.yaml"}, "/nowhere.yaml cannot be read"),
        ({"rubric": "/nowhere.yaml"}, "/nowhere.yaml cannot be read"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], said: str) -> None:
    given = {"rubric": None, "canaries": False, **settings}
    with pytest.raises(ConfigError, match=said):
        make_judge(Echo(), given.pop("rubric"), 7.0, **given)  # type: ignore[arg-type]

"""Operations that a model chooses from for a picture: what is offered, and what becomes of its choices."""

import json
import re

import pytest

from dataflow.core.records import Answer, Request
from dataflow.errors import AnswerError, UnfitAnswer
from dataflow.operators.core_text.choice import OFFERED, Choice, Chosen, choose, draw_operations
from dataflow.taxonomy.draw import Draw
from dataflow.taxonomy.taxonomy import LENGTHS, shipped_taxonomy
from tests.kit.generators import DOWN, REFUSED, answered

TAXONOMY = shipped_taxonomy()
GOOD = {
    "description": "A red wall in the sun.",
    "target": "red wall",
    "short_en": "Change the red wall.",
    "long_en": "Change the red wall to a blue one and keep the sunlight on it.",
}


def offered_in(request: Request) -> list[str]:
    prompt = request.turns[0].text if request.turns else request.prompt
    return re.findall(r"^- (\w+): ", prompt.partition("Answer with")[0], re.MULTILINE)


def takes_first(request: Request) -> Answer:
    return Answer(text=json.dumps({"operation": offered_in(request)[0], **GOOD}))


def chosen(count: int, answer: object = takes_first) -> tuple[list[Chosen], list[Request]]:
    asking = choose("/a.png", TAXONOMY, ("en",), Draw(1, "a.png"), count=count)
    return answered(asking, answer)  # type: ignore[arg-type]


def test_each_further_edit_is_of_another_operation_and_of_the_other_length() -> None:
    edits, requests = chosen(4)
    operations = [each.brief.operation for each in edits]
    assert len(set(operations)) == 4
    assert [each.length for each in edits[:2]] in ([*LENGTHS], [*LENGTHS[::-1]])
    assert [each.length for each in edits[2:]] == [each.length for each in edits[:2]]
    assert [request.repeat for request in requests] == [0, 1, 2, 3]
    for number, request in enumerate(requests):
        assert not {*offered_in(request)} & {*operations[:number]}


def test_a_model_is_offered_operations_of_one_picture_alone() -> None:
    _, requests = chosen(3)
    offered = [offered_in(request) for request in requests]
    assert all(len({*names}) == OFFERED for names in offered)
    assert all(TAXONOMY.operations[name].most_pictures == 1 for names in offered for name in names)


def test_another_operation_than_those_offered_is_asked_for_again() -> None:
    def levitates(request: Request) -> Answer:
        return takes_first(request) if request.turns else Answer(text=json.dumps({"operation": "levitate", **GOOD}))

    edits, requests = chosen(1, levitates)
    assert len(requests) == 2
    assert "`operation` is 'levitate', not one of" in requests[1].prompt
    assert edits[0].fields["target"] == "red wall"


def test_a_refused_edit_does_not_cost_the_others() -> None:
    edits, _ = chosen(3, lambda request: REFUSED if request.repeat == 1 else takes_first(request))
    assert len(edits) == 2


def test_a_picture_of_which_nothing_comes_raises_what_was_wrong_last() -> None:
    with pytest.raises(UnfitAnswer, match="not one whole JSON object"):
        chosen(2, lambda request: Answer(text="no"))
    with pytest.raises(AnswerError, match="against the policy"):
        chosen(2, lambda request: REFUSED)


def test_a_model_that_is_down_fails_the_row_at_once() -> None:
    with pytest.raises(AnswerError, match="nobody is there"):
        chosen(2, lambda request: takes_first(request) if request.repeat == 0 else DOWN)


def test_no_target_is_asked_of_an_operation_that_names_none() -> None:
    choice = Choice(TAXONOMY, Draw(1), "en", ("en",), used=())
    plain = next(each for each in choice.offered if not each.names_target)
    fields = {name: text for name, text in GOOD.items() if name != "target"}
    brief, read = choice.read(json.dumps({"operation": plain.name, **fields}))
    assert (brief.operation, read) == (plain.name, fields)


def test_few_operations_are_all_offered_and_many_by_their_shares() -> None:
    operations = [*TAXONOMY.operations.values()]
    assert {each.name for each in draw_operations(Draw(1), operations[:3])} == {each.name for each in operations[:3]}
    common = max(operations, key=lambda each: each.share)
    rare = min(operations, key=lambda each: each.share)
    drawn = [[each.name for each in draw_operations(Draw(seed), operations)] for seed in range(200)]
    assert sum(common.name in names for names in drawn) > 2 * sum(rare.name in names for names in drawn)

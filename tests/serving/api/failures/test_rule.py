"""When a rule of the table of failures holds."""

from dataclasses import replace
from typing import Any

import pytest

from dataflow.serving.api.failures.attempts import Attempt, ErrorBody
from dataflow.serving.api.failures.rule import Rule, wait_of
from tests.kit.http_errors import TARGET

REFUSED = Attempt("status", 400, {"retry-after": "7"})
BODY = ErrorBody(frozenset({"bad_key"}), "no", "The KEY is bad")


def holds(attempt: Attempt = REFUSED, **conditions: object) -> bool:
    rule = Rule("status", "retry", "why", **conditions)  # type: ignore[arg-type]
    return rule.holds(attempt, replace(TARGET, fields=frozenset({"seed"})), BODY)


def test_a_rule_without_conditions_holds_for_its_ending_alone() -> None:
    assert holds()
    assert not holds(Attempt("lost"))


@pytest.mark.parametrize(
    ("met", "unmet"),
    [
        ({"status": frozenset((400, 422))}, {"status": frozenset((401,))}),
        ({"path": "/chat/"}, {"path": "/images/"}),
        ({"codes": frozenset({"bad_key"})}, {"codes": frozenset({"bad_model"})}),
        ({"says": r"key\b.*bad"}, {"says": "model"}),
    ],
)
def test_every_condition_must_hold(met: dict[str, Any], unmet: dict[str, Any]) -> None:
    assert holds(**met)
    assert not holds(**unmet)
    assert not holds(**{"path": "/chat/", "status": frozenset((400,)), "codes": frozenset(), **unmet})


def test_of_codes_and_words_one_is_enough() -> None:
    assert holds(codes=frozenset({"bad_model"}), says="key")
    assert holds(codes=frozenset({"bad_key"}), says="model")
    assert not holds(codes=frozenset({"bad_model"}), says="model")


def test_a_rule_for_servers_that_ask_to_wait_needs_a_number() -> None:
    assert holds(asks_to_wait=True)
    assert not holds(Attempt("status", 400), asks_to_wait=True)
    assert wait_of(REFUSED, BODY, limited=False) == 7


@pytest.mark.parametrize(
    ("text", "names_one"),
    [("unknown parameter: 'seed'", True), ("field seed is not taken", False), ("the seed of a plant", False)],
)
def test_a_field_of_every_request_is_named_in_quotes_or_behind_its_kind(text: str, names_one: bool) -> None:
    rule = Rule("status", "retry", "why", names_field=True)
    target = replace(TARGET, fields=frozenset({"seed"}))
    assert rule.holds(REFUSED, target, ErrorBody(text=text)) == names_one
    assert replace(rule, says="plant|taken").holds(REFUSED, target, ErrorBody(text=text))


def test_a_finish_reason_is_a_code_and_the_models_words_are_the_text() -> None:
    rule = Rule("finish", "refused", "why", codes=frozenset({"safety"}))
    assert rule.holds(Attempt("finish", 200, finish="SAFETY"), TARGET, BODY)
    assert rule.holds(Attempt("finish", 200, finish="stop", native_finish="SAFETY"), TARGET, BODY)
    assert not rule.holds(Attempt("finish", 200, finish="stop"), TARGET, BODY)
    spoken = Rule("finish", "fatal", "why", says="recharge")
    assert spoken.holds(Attempt("finish", 200, text="Please Recharge"), TARGET, BODY)
    assert not spoken.holds(Attempt("finish", 200, text="a horse"), TARGET, BODY)

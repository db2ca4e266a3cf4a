"""Requests that are asked only along with others: left out where the journal answers all of those others."""

from dataflow.core.records import Answer, Job, Request
from dataflow.flow.along import leave_out_along, own_digests
from dataflow.flow.walk import Walk

OWN, ALONG = Request("own", makes="text"), Request("check", makes="text", along=True)


def walk(*jobs: Job, missing: set[str]) -> Walk:
    return Walk(0, 1, {}, wave=[job.request for job in jobs], jobs=jobs, missing=missing)


def test_a_request_asked_along_fails_where_all_others_are_answered() -> None:
    answered = walk(Job("a", OWN), Job("b", ALONG), missing={"b"})
    answered.known["a"] = Answer(text="yes")
    leave_out_along([answered])
    failure = answered.known["b"].error
    assert failure is not None
    assert (answered.missing, failure.kind, answered.known["a"].text) == (set(), "failed", "yes")


def test_it_is_asked_while_another_request_is_missing_or_asks_the_same() -> None:
    waiting = walk(Job("a", OWN), Job("b", ALONG), missing={"a", "b"})
    same = walk(Job("a", OWN), Job("a", ALONG), missing={"a"})
    leave_out_along([waiting, same])
    assert (waiting.missing, same.missing, waiting.known, same.known) == ({"a", "b"}, {"a"}, {}, {})


def test_a_request_asked_along_makes_no_other_row_of_it() -> None:
    row = Walk(0, 1, {}, wave=[OWN, ALONG], digests=[b"1", b"2"])
    assert own_digests(row) == [b"1"]

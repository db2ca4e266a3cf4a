"""Turns a failed attempt into the failure that says who must act.

What each kind of reply means stands in `catalogue.RULES`; this file finds the rule that holds and fills in its words.
"""

from dataclasses import replace
from datetime import date
from urllib.parse import urlsplit

from dataflow.errors import Failure
from dataflow.serving.api.failures.attempts import Attempt, ErrorBody, Target, escape, read_error
from dataflow.serving.api.failures.catalogue import RULES
from dataflow.serving.api.failures.rule import Rule, wait_of
from dataflow.serving.api.models import known_model, replacement


def classify(attempt: Attempt, target: Target) -> Failure:
    """Say who must act on a failed attempt, and what mends it.

    Args:
        attempt: how it ended; not "answered".
        target: where the request went, for the reason's words.
    """
    error = read_error(bytes(attempt.body))
    rule = rule_of(attempt, target, error)
    words = escape(attempt.text or error.message, secret=target.secret)
    failure = Failure(
        rule.kind,
        rule.reason.format_map(_fields(attempt, target, words)),
        said=words,
        maybe_paid=rule.maybe_paid,
        usage=dict(attempt.usage),
        retries=rule.retries,
        # A reply without answer that counts no tokens may be a notice of an empty account in a form that no rule
        # knows, so the request is not refused for good.
        refuse_after=rule.refuse_after and (attempt.ending != "empty" or any(attempt.usage.values())),
        outage=rule.outage,
        unconfirmed=rule.unconfirmed,
    )
    if not failure.transient:
        return failure
    limited = rule.kind == "wait"
    return replace(failure, wait=wait_of(attempt, error, limited=limited))


def rule_of(attempt: Attempt, target: Target, error: ErrorBody) -> Rule:
    """The first rule of the table that holds for a failed attempt.

    Args:
        attempt: how it ended; not "answered".
        target: where the request went.
        error: `read_error` of the attempt's body.
    """
    return next(rule for rule in RULES if rule.holds(attempt, target, error))


def _fields(attempt: Attempt, target: Target, said: str) -> dict[str, str]:
    """The values that the reasons of `catalogue.RULES` name in braces."""
    address, model = urlsplit(target.address), known_model(target.model)
    successor = f" ({replacement(target.model)})" if model is not None and model.end else ""
    is_gone = model is not None and model.is_gone(date.fromtimestamp(attempt.ended_at))
    wrong_key = f"does not accept the key in {target.key_name}: give one that is valid there"
    no_key = f"wants a key, and none is given: put yours into {target.key_name}"
    return {
        "host": target.host,
        "root": f"{address.scheme}://{address.netloc}",
        "path": target.path,
        "model": target.model,
        "key_name": target.key_name,
        "key_trouble": wrong_key if target.secret else no_key,
        "bearer": f"the key in {target.key_name}" if target.secret else "a request without a key",
        "status": str(attempt.status),
        "finish": escape(attempt.native_finish or attempt.finish, secret=target.secret) or "no finish reason",
        "successor": successor,
        "retired": successor if is_gone else "",
        "said": said or "no reason given",
    }

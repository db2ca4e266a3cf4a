"""From a failed attempt to the failure that says who must act.

The knowledge is in `catalogue.RULES`; this file only reads the table.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from urllib.parse import urlsplit

from dataflow.errors import Failure
from dataflow.serving.api.failures.attempts import Asked, Attempt, Said, escape, read_error
from dataflow.serving.api.failures.catalogue import RULES
from dataflow.serving.api.failures.fields import without_request
from dataflow.serving.api.failures.rule import Rule
from dataflow.serving.api.failures.waits import asked_wait
from dataflow.serving.api.models import known_model, replacement


def classify(attempt: Attempt, asked: Asked) -> Failure:
    """Who must act on this failed attempt, and what they should do.

    Args:
        attempt: how it ended; not "answered".
        asked: what was asked, for the words.
    """
    said = read_error(bytes(attempt.body))
    rule = rule_of(attempt, asked, said)
    words = escape(attempt.text or said.message, secret=asked.secret)
    failure = Failure(
        rule.kind,
        rule.reason.format_map(_fields(attempt, asked, words)),
        said=words,
        maybe_paid=rule.maybe_paid,
        usage=dict(attempt.usage),
        retries=rule.retries,
        # A reply without an answer that counts no tokens may be an envelope, of an empty account, that nobody knows.
        refuse_after=rule.refuse_after and (attempt.on != "empty" or any(attempt.usage.values())),
        outage=rule.outage,
        unconfirmed=rule.unconfirmed,
    )
    if not failure.transient:
        return failure
    return replace(failure, wait=_wait(attempt, said, limited=rule.kind == "wait"))


def rule_of(attempt: Attempt, asked: Asked, said: Said) -> Rule:
    """The first line of the table that holds.

    Args:
        attempt: how it ended; not "answered".
        asked: what was asked.
        said: `read_error` of the attempt's body.
    """
    return next(rule for rule in RULES if _holds(rule, attempt, asked, said))


def _wait(attempt: Attempt, said: Said, *, limited: bool) -> float:
    return asked_wait(attempt.headers, said.text, now=attempt.ended_at, limited=limited)


def _holds(rule: Rule, attempt: Attempt, asked: Asked, said: Said) -> bool:
    if rule.on != attempt.on or (rule.status and attempt.status not in rule.status) or rule.path not in asked.path:
        return False
    if rule.told_to_wait and not _wait(attempt, said, limited=False):
        return False
    if rule.names_field and _names_field(said.text, asked.fields):
        return True
    if not rule.codes and not rule.says:
        return not rule.names_field
    codes, text = said.codes, said.text
    if attempt.on == "finish":
        codes = frozenset((attempt.finish.lower(), attempt.native_finish.lower() or attempt.finish.lower()))
        text = attempt.text
    return bool(rule.codes & codes) or bool(rule.says and re.search(rule.says, text.lower()))


def _names_field(text: str, fields: Iterable[str]) -> bool:
    """Whether an error body names one of these fields: quoted, or after a word for what it is."""
    text = without_request(text)
    before, after = r"""(?:['"`\[.]|\b(?:parameter|argument|field|property)s?:? )""", r"""(?:['"`\].,:]|$)"""
    return any(re.search(before + re.escape(name) + after, text) for name in fields)


def _fields(attempt: Attempt, asked: Asked, said: str) -> dict[str, str]:
    address, model = urlsplit(asked.address), known_model(asked.model)
    successor = f" ({replacement(asked.model)})" if model is not None and model.end else ""
    is_gone = model is not None and model.is_gone(date.fromtimestamp(attempt.ended_at))
    wrong_key = f"does not accept the key in {asked.key_name}: give one that is valid there"
    no_key = f"wants a key, and none is given: put yours into {asked.key_name}"
    return {
        "host": asked.host,
        "root": f"{address.scheme}://{address.netloc}",
        "path": asked.path,
        "model": asked.model,
        "key_name": asked.key_name,
        "key_trouble": wrong_key if asked.secret else no_key,
        "bearer": f"the key in {asked.key_name}" if asked.secret else "a request without a key",
        "status": str(attempt.status),
        "finish": escape(attempt.native_finish or attempt.finish, secret=asked.secret) or "no finish reason",
        "successor": successor,
        "retired": successor if is_gone else "",
        "said": said or "no reason given",
    }

"""From a failed attempt to the error that says who must act.

The knowledge is in `catalogue.RULES`; this file only reads the table.
"""

import re
import time
from urllib.parse import urlsplit

from dataflow.errors import AnswerError, RateLimited, TransientAnswer
from dataflow.serving.attempts import Asked, Attempt, Said, escape, read_error
from dataflow.serving.catalogue import RULES, Rule
from dataflow.serving.waits import asked_wait

SUCCESSORS = {"gemini-2.5-flash-image-preview": "gemini-2.5-flash-image"}


def classify(attempt: Attempt, asked: Asked) -> AnswerError:
    """Who must act on this failed attempt, and what they should do.

    Args:
        attempt: how it ended; not "answered".
        asked: what was asked, for the words.
    """
    said = read_error(attempt.body)
    rule = next(rule for rule in RULES if _holds(rule, attempt, asked, said))
    words = escape(attempt.text or said.message, secret=asked.secret)
    reason = rule.reason.format_map(_fields(attempt, asked, words))
    usage = dict(attempt.usage)
    if not issubclass(rule.error, TransientAnswer):
        return rule.error(reason, said=words, maybe_paid=rule.maybe_paid, usage=usage)
    limited = issubclass(rule.error, RateLimited)
    return rule.error(
        reason,
        said=words,
        maybe_paid=rule.maybe_paid,
        usage=usage,
        retries=rule.retries,
        refuse_after=rule.refuse_after,
        wait=asked_wait(attempt.headers, said.text, now=time.time(), limited=limited),
    )


def _holds(rule: Rule, attempt: Attempt, asked: Asked, said: Said) -> bool:
    if rule.on != attempt.on or (rule.status and attempt.status not in rule.status) or rule.path not in asked.path:
        return False
    if rule.told_to_wait and not asked_wait(attempt.headers, said.text, now=time.time(), limited=False):
        return False
    if not rule.codes and not rule.says:
        return True
    codes = said.codes
    if attempt.on == "finish":
        codes = frozenset((attempt.finish.lower(), attempt.native_finish.lower() or attempt.finish.lower()))
    return bool(rule.codes & codes) or bool(rule.says and re.search(rule.says, said.text.lower()))


def _fields(attempt: Attempt, asked: Asked, said: str) -> dict[str, str]:
    address = urlsplit(asked.address)
    successor = SUCCESSORS.get(asked.model)
    return {
        "host": asked.host,
        "root": f"{address.scheme}://{address.netloc}",
        "path": asked.path,
        "model": asked.model,
        "key_name": asked.key_name,
        "status": str(attempt.status),
        "finish": escape(attempt.native_finish or attempt.finish, secret=asked.secret) or "no finish reason",
        "successor": f", which is retired: use {successor}" if successor else "",
        "said": said or "no reason given",
    }

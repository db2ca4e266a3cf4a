"""Reads for how long a server asks us to wait, and how many requests it allows, in every form that servers use.

Of several figures the largest wins. The reset of a limit counts only where the limit is used up and the reply has no
other figure: it is the time until the whole limit is back (OpenAI's guide on rate limits), often minutes where a second
would do.
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

MAX_WAIT = 86_400.0  # seconds
# Headers that state the requests of a minute. Groq states a day's in the first: more, so it never binds.
_RATES = frozenset(
    (
        "x-ratelimit-limit-requests",
        "anthropic-ratelimit-requests-limit",
        "x-ratelimit-limit-req-minute",
        "x-ratelimit-limit-requests-minute",
        "x-ratelimit-limit-minute",
    )
)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?")
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s?(ms|milli|s|m|h)", re.IGNORECASE)
_SPANS = r"(?:\d{1,9}(?:\.\d{1,9})?\s?(?:ms|s|m|h)[a-z]{0,10}\s?){1,4}"
_ONLY_SPANS = re.compile(_SPANS, re.IGNORECASE)
_IN_TEXT = re.compile(rf"(?:try again|retry|resets?) (?:in|after) ({_SPANS})", re.IGNORECASE)
_RETRY_INFO = re.compile(r'"retryDelay"\s{0,9}:\s{0,9}"(\d{1,9}(?:\.\d{1,9})?)s"')


def requested_wait(headers: Mapping[str, str], text: str, *, now: float, limited: bool) -> float:
    """Seconds for which the server asks us to wait, at most a day; 0: it does not ask.

    Args:
        headers: of the reply, names in lower case.
        text: of the body.
        now: seconds since the epoch, for a server that names a date.
        limited: whether the reply says that a rate limit was hit; the reset of a limit counts only then.
    """
    waits, resets = [0.0], [0.0]
    for name, value in headers.items():
        bare = name.removeprefix("llm_provider-")
        if bare == "retry-after-ms" and _NUMBER.fullmatch(value):
            waits.append(float(value) / 1000)
        elif bare == "retry-after":
            waits.append(_seconds(value, now))
        elif limited and bare.startswith("x-ratelimit-reset") and _used_up(headers, name):
            resets.append(_seconds(value, now))
    waits += [float(found) for found in _RETRY_INFO.findall(text)]
    waits += [_span(found) for found in _IN_TEXT.findall(text)]
    return min(max(waits) or max(resets), MAX_WAIT)


def stated_rate(headers: Mapping[str, str]) -> float:
    """Requests a minute that the server says it allows; infinite: it does not say.

    Args:
        headers: of a reply, names in lower case.

    Source: OpenAI's guide on rate limits and Anthropic's, Mistral's and Kong's references.
    """
    stated = [
        float(value)
        for name, value in headers.items()
        if name.removeprefix("llm_provider-") in _RATES and _NUMBER.fullmatch(value.strip())
    ]
    return min((rate for rate in stated if rate > 0), default=math.inf)


def _used_up(headers: Mapping[str, str], reset: str) -> bool:
    return headers.get(reset.replace("reset", "remaining"), "0").strip() in ("0", "")


def _seconds(value: str, now: float) -> float:
    """Seconds to wait that a header states as a number, a span, a date or a time since the epoch; 0: none of these."""
    value = value.strip()
    if _NUMBER.fullmatch(value):
        number = float(value)
        if number < 1e9:
            return number
        return (number / 1000 if number > 1e11 else number) - now  # since the epoch, in milliseconds or in seconds
    if _ONLY_SPANS.fullmatch(value):
        return _span(value)
    for read_date in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            return read_date(value).timestamp() - now
        except ValueError:
            continue
    return 0.0


def _span(text: str) -> float:
    """The seconds in a span such as `6m0s`, `20ms` or `1.5 seconds`; 0: the text holds no span."""
    found = _SPAN.findall(text)
    return sum(float(number) * _UNITS[unit.lower().replace("milli", "ms")] for number, unit in found)

"""How long a server asks us to wait, and how much it allows: every form in which servers and gateways say it.

The largest figure wins. The reset of a limit counts only where it is used up and nothing else is said: it
is the time until the whole limit is back (OpenAI's guide on rate limits), often minutes where a second will do.
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST = 86_400.0
# Requests a minute. Groq means a day by the first, which is more than its minute and so does no harm.
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


def asked_wait(headers: Mapping[str, str], text: str, *, now: float, limited: bool) -> float:
    """Seconds the server asks us to wait, 0 if it says nothing, at most a day.

    Args:
        headers: of the reply, names in lower case.
        text: of the body.
        now: seconds since the epoch; some servers name a date.
        limited: the reply says that a rate limit was hit; only then the reset of a limit means anything.
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
    return min(max(waits) or max(resets), LONGEST)


def stated_rate(headers: Mapping[str, str]) -> float:
    """Requests a minute that the server says it allows; infinite if it says nothing.

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
    value = value.strip()
    if _NUMBER.fullmatch(value):
        number = float(value)
        if number < 1e9:
            return number
        return (number / 1000 if number > 1e11 else number) - now
    if _ONLY_SPANS.fullmatch(value):
        return _span(value)
    for read_date in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            return read_date(value).timestamp() - now
        except ValueError:
            continue
    return 0.0


def _span(text: str) -> float:
    """Seconds in `6m0s`, `20ms` or `1.5 seconds`; 0 if it is none of these."""
    found = _SPAN.findall(text)
    return sum(float(number) * _UNITS[unit.lower().replace("milli", "ms")] for number, unit in found)

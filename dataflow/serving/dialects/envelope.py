"""Finds errors in replies of HTTP 200: errors in OpenAI's form, and in a provider's own envelope.

An envelope is an object with a message, and with a code or a word that says whether the call succeeded. Good answers
may stand in an envelope, too, so one that holds anything of an answer is an error only where it names itself one.
"""

from collections import deque
from collections.abc import Iterable, Mapping

from dataflow.core.records import JSON
from dataflow.serving.dialects.narrow import as_dict, as_text

_MESSAGES = (
    *("message", "msg", "status_msg", "error_msg", "error_message", "errmsg", "err_msg", "errorMessage", "errMsg"),
    *("retmsg", "ret_msg", "retMsg", "resultMsg", "result_msg", "errorMsg", "error", "detail"),
)
_CODES = (
    *("code", "error_code", "errcode", "err_code", "errno", "errorCode", "errCode", "status_code", "statusCode"),
    *("ret", "retcode", "ret_code", "retCode", "result_code", "resultCode"),
)
_GOOD = frozenset(("", "0", "200", "20000", "ok", "none", "false", "true", "success", "succeeded"))
_FAILED = frozenset(("error", "fail", "failed", "failure"))
_ANSWERS = ("choices", "candidates", "output", "data", "content", "result", "images", "response", "delta", "b64_json")
_SIGNS = frozenset(("error", "success", "base_resp", "status", *_CODES))
_MOST_OBJECTS = 500


def error_of(event: Mapping[str, JSON]) -> JSON:
    """The error that an object holds, or that the object itself is; None: there is no error."""
    if _SIGNS.isdisjoint(event) and "error" not in (event.get("type"), event.get("object")):
        return None  # a short cut: it holds for nearly every event of a stream
    if (error := event.get("error")) and is_error(error):
        return error if isinstance(error, dict | str) else dict(event)
    if event.get("type") == "error" or event.get("object") == "error" or event.get("success") in (False, "false"):
        return dict(event)
    if (inner := event.get("base_resp")) and _has_failed(as_dict(inner)):
        return inner
    for name in _ANSWERS:
        if event.get(name):
            return None
    return dict(event) if _has_failed(event) else None


def is_error(error: JSON) -> bool:
    """Whether the value of a field `error` is an error: some servers always send the field, with blank values."""
    if isinstance(error, dict):
        return not all(_is_good(value) for value in error.values())
    return bool(error)


def first_error(items: Iterable[Mapping[str, JSON]]) -> JSON:
    """The first error among the items of an answer, such as its choices; None: no item has one."""
    return next((error for item in items if is_error(error := item.get("error"))), None)


def message_of(parsed: JSON) -> str:
    """The message of an error body: that of its `error`, else the outermost one; empty: it has none."""
    objects = objects_in(parsed)
    for candidate in [*(as_dict(outer.get("error")) for outer in objects[:1]), *objects]:
        # FastAPI's message does not name the field, which stands in `loc` beside it: the whole text says more.
        if "loc" not in candidate and (words := _words(candidate)):
            return words
    return ""


def objects_in(parsed: JSON) -> list[Mapping[str, JSON]]:
    """The objects within a JSON value, the outermost first, at most some hundred."""
    found: list[Mapping[str, JSON]] = []
    waiting = deque([parsed])
    for _ in range(_MOST_OBJECTS):
        if not waiting:
            break
        value = waiting.popleft()
        if isinstance(value, dict):
            found.append(value)
        waiting.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
    return found


def _has_failed(event: Mapping[str, JSON]) -> bool:
    """Whether a code or a status means failure, and a message says why."""
    codes = (event.get(name) for name in _CODES)
    failed = not all(map(_is_good, codes)) or event.get("status") in _FAILED
    return failed and not _is_good(_words(event))


def _words(event: Mapping[str, JSON]) -> str:
    return next((text for name in _MESSAGES if (text := as_text(event.get(name)))), "")


def _is_good(value: JSON) -> bool:
    return not value or str(value).lower() in _GOOD

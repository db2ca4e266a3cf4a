"""Failed replies as servers word them, and the failure that becomes of each."""

from collections.abc import Mapping
from typing import Any

import orjson

from dataflow.errors import Failure
from dataflow.serving.api.failures.attempts import Attempt, Target
from dataflow.serving.api.failures.classify import classify

KEY = "sk-canary-5f1c"
TARGET = Target("http://10.0.0.5:3000/v1", "/chat/completions", "nano", "DF_API_KEY", KEY)


def failure_of(
    code: int, body: Any = None, headers: Mapping[str, str] | None = None, target: Target = TARGET
) -> Failure:
    """The failure that a reply of this HTTP status and body becomes.

    Args:
        code: HTTP status.
        body: text as it is, or a value that is sent as JSON.
        headers: of the reply, names in lower case.
        target: where the request went.
    """
    raw = body.encode() if isinstance(body, str) else orjson.dumps(body or {})
    return classify(Attempt("status", code, headers or {}, raw), target)


def google_limit(quota: str = "", message: str = "You exceeded your current quota", **details: object) -> Any:
    """Google's body of HTTP 429.

    Args:
        quota: the id of the quota that is exceeded; empty: none is named.
        message: in words.
        details: one more object of the error's details.
    """
    violations = [{"violations": [{"quotaId": quota}]}] if quota else []
    error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": message, "details": [*violations, details]}
    return [{"error": error}]


PER_MINUTE = google_limit("GenerateRequestsPerMinutePerProjectPerModel", retryDelay="37s")
PER_DAY = google_limit("GenerateRequestsPerDayPerProjectPerModel-FreeTier", retryDelay="37s")
ZERO = google_limit(message="Quota exceeded, limit: 0, model: nano")

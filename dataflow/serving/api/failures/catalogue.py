"""The table of failures: what each failed attempt means, who must act, and the words that say so.

The table is read from top to bottom, and the first rule that holds wins. Gateways rewrite status codes and messages, so
a rule looks at status, codes, words and finish reasons together. Each quirk of a gateway is one more rule, so this file
is longer than others.
"""

from dataclasses import replace

from dataflow.serving.api.failures.rule import Rule
from dataflow.serving.api.failures.words import NO_CREDIT, NO_CREDIT_NOTICE, NO_KEY, RATE_LIMIT, REFUSED, SCARCE, SOME

SERVER_ERRORS = frozenset(range(500, 600))
CLIENT_ERRORS = frozenset(range(400, 500))


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


REFUSALS = _set(
    "content_filter safety image_safety prohibited_content image_prohibited_content blocklist spii "
    "recitation image_recitation moderation_blocked content_policy_violation"
)
CUT_OFF = _set("max_tokens length")
_TOP_UP = "no credit left at {host}: top up the account, then run again; what was answered is kept"
_KEY = "{host} {key_trouble}, then run again"
_FORM = "api_url is usually http(s)://host/v1: try {root}/v1"

_POLICY = Rule(
    "status",
    "refused",
    "{host} refuses this request under its content policy",
    status=frozenset((0, 400, 422, 451, 500)),
    codes=_set(
        "moderation moderation_blocked content_policy_violation image_content_policy_violation content_filter "
        "responsibleaipolicyviolation prohibited_content image_safety safety sensitive_words_detected "
        "datainspectionfailed"
    ),
    says=REFUSED,
)

_NO_CREDIT = Rule("status", "fatal", _TOP_UP, status=frozenset((0, 402, 403, 429)), says=NO_CREDIT)
_WRONG_KEY = Rule(
    "status",
    "fatal",
    _KEY,
    codes=_set("invalid_api_key api_key_invalid invalidapikey authentication_error unauthenticated unauthorized"),
    says=NO_KEY,
    unconfirmed="account",
)

_TROUBLE = Rule(
    "status", "retry", "{host} is in trouble (HTTP {status}): {said}{retired}", status=SERVER_ERRORS, outage=True
)

RULES: tuple[Rule, ...] = (
    # The network: a request that never arrived is certainly unpaid.
    Rule("no_file", "wait", "no connection to {host}: {said}"),
    Rule(
        "unconnected",
        "retry",
        "no connection to {host} ({said}): is api_url right, is the server up?",
        outage=True,
    ),
    Rule("unsent", "retry", "{host} closed the connection before the request was sent ({said})", outage=True),
    Rule(
        "lost",
        "retry",
        "no answer from {host} after the request was sent ({said}); it may have been paid",
        retries=1,
        maybe_paid=True,
        outage=True,
    ),
    Rule(
        "truncated",
        "retry",
        "the answer of {host} stops before its end; it may have been paid",
        retries=1,
        maybe_paid=True,
        outage=True,
    ),
    # HTTP 200 without an answer. Its words are only a hint, so one such reply does not end a long run: "account".
    *(
        replace(_NO_CREDIT, ending=ending, status=frozenset(), says=f"{NO_CREDIT}|{SCARCE}", unconfirmed="account")
        for ending in ("not_json", "empty")
    ),
    replace(_WRONG_KEY, ending="empty", codes=frozenset()),
    replace(_NO_CREDIT, ending="finish", status=frozenset(), says=NO_CREDIT_NOTICE, unconfirmed="account"),
    Rule("blank", "retry", "{host} sent an empty reply", retries=3, outage=True, unconfirmed="page"),
    Rule(
        "html",
        "retry",
        "{host} sent a web page instead of an answer: " + _FORM,
        retries=3,
        outage=True,
        unconfirmed="page",
    ),
    Rule(
        "not_json",
        "retry",
        "{host} sent something that is not JSON: " + _FORM,
        retries=3,
        outage=True,
        unconfirmed="page",
    ),
    replace(_POLICY, ending="empty", status=frozenset(), codes=frozenset()),
    Rule("empty", "retry", "{host} sent words instead of an answer: {said}", says=SOME, retries=2),
    Rule("empty", "retry", "the reply holds no answer at all", retries=2, refuse_after=True),
    Rule("bad_picture", "retry", "the picture in the reply is damaged", retries=2, refuse_after=True),
    Rule(
        "task",
        "fatal",
        "{host} answers with a task to poll, which is not supported: use an address that answers directly",
        maybe_paid=True,
    ),
    # Refusals of one request, which no account, key or pause will change.
    _POLICY,
    replace(_POLICY, status=frozenset((403,)), unconfirmed="moderation"),
    Rule(
        "status",
        "refused",
        "the request is too large for {host} (HTTP {status}): send smaller or fewer pictures",
        says=r"payload size exceeds|request entity too large",
    ),
    Rule(
        "status",
        "refused",
        "the request is too large for {host} (HTTP 413): send smaller or fewer pictures",
        status=frozenset((413,)),
    ),
    # Money and quotas. Google says "exceeded your current quota" for a minute's limit too: the quota's id decides.
    Rule(
        "status",
        "fatal",
        "the quota at {host} is used up for today, or is zero for {model}: {said}",
        status=frozenset((429,)),
        says=r"quotaid[^,]{0,120}perday|limit:\s?0(?![.\d])",
    ),
    Rule("status", "wait", "{host} asks to wait", status=frozenset((402,)), asks_to_wait=True),
    # With HTTP 400 or 5xx a gateway may speak of the account of one upstream, not of the user's: "account".
    _NO_CREDIT,
    replace(_NO_CREDIT, status=CLIENT_ERRORS | SERVER_ERRORS, unconfirmed="account"),
    Rule(
        "status",
        "wait",
        "{host} asks for fewer requests a minute",
        status=frozenset((429,)),
        codes=_set("resource_exhausted"),
        says=r"quotaid[^,]{0,120}perminute|retrydelay",
    ),
    Rule(
        "status",
        "fatal",
        _TOP_UP,
        codes=_set(
            "insufficient_quota credit_balance_exhausted organization_usage_limit_exceeded "
            "billing_hard_limit_reached billing_not_active"
        ),
    ),
    Rule("status", "fatal", _TOP_UP, status=frozenset((402,))),
    Rule(
        "status",
        "fatal",
        "{host} finds too little credit: top up, or let fewer requests run at once (gateways hold more than the "
        "price while a request runs), then run again; what was answered is kept",
        codes=_set("insufficient_user_quota pre_consume_token_quota_failed"),
        says=SCARCE,
        unconfirmed="credit",
    ),
    Rule("status", "wait", "{host} asks for fewer requests", status=frozenset((429, 529))),
    Rule("status", "wait", "{host} asks for fewer requests", status=frozenset((0,)), says=RATE_LIMIT),
    Rule(
        "status",
        "wait",
        "{host} is overloaded",
        status=frozenset((503,)),
        codes=_set("resource_exhausted overloaded_error"),
        unconfirmed="unserved",
    ),
    # The key, the model, the address.
    _WRONG_KEY,
    Rule("status", "fatal", _KEY, status=frozenset((401,)), unconfirmed="account"),
    Rule(
        "status",
        "retry",
        "{host} has no free channel for {model}: is the name right, may the key's group use it?{successor}",
        status=frozenset((500, 503)),
        codes=_set("model_not_found"),
        says=r"no available channel",
        unconfirmed="channel",
    ),
    Rule(
        "status",
        "fatal",
        "{host} does not know the model {model}: name one that it serves in model_name (of a command: --model or "
        "--judge_model){successor}",
        status=CLIENT_ERRORS | {0},
        codes=_set("model_not_found"),
        says=r"model[^\n]{0,120}(?:not found|not exist|not supported|no longer|not a valid|deprecated|retired)"
        r"|not a valid model|unknown model|invalid model|model mismatch|no endpoints found",
        unconfirmed="account",
    ),
    Rule(
        "status",
        "fatal",
        '{host} has no {path}: use api_format="chat", or an address that serves the images API',
        status=frozenset((404, 405)),
        path="/images/",
        unconfirmed="account",
    ),
    Rule(
        "status",
        "fatal",
        "{host} has nothing at {path} (HTTP {status}): a Gemini address is usually https://host/v1beta; or use "
        'api_format="chat"',
        status=frozenset((404, 405)),
        path="enerateContent",
        unconfirmed="account",
    ),
    Rule(
        "status",
        "fatal",
        "{host} has nothing at {path} (HTTP {status}): " + _FORM + ', or api_format="images"',
        status=frozenset((404, 405)),
        unconfirmed="account",
    ),
    Rule(
        "status",
        "fatal",
        "{host} answers with a redirect (HTTP {status}): set api_url to the address it names",
        status=frozenset(range(300, 400)),
        unconfirmed="account",
    ),
    Rule(
        "status",
        "fatal",
        "{bearer} may not use {model} at {host} ({said}): give a key in {key_name} that may",
        status=frozenset((403,)),
        unconfirmed="account",
    ),
    # Trouble of the server, which passes.
    Rule(
        "status",
        "retry",
        "{host} could not read its own upstream",
        status=frozenset((422,)),
        says=r"error converting to valid response",
        retries=3,
        outage=True,
        unconfirmed="page",
    ),
    Rule(
        "status",
        "retry",
        "{host} gave up waiting (HTTP {status}); the answer may have been paid",
        status=frozenset((504, 524)),
        retries=1,
        maybe_paid=True,
        outage=True,
    ),
    replace(_TROUBLE, status=frozenset((503,)), unconfirmed="unserved"),
    # Source: a gateway's notice of November 2026: 500 with "code 403" before a model is withdrawn, then 503.
    replace(_TROUBLE, status=frozenset((500,)), codes=_set("403"), says=r"\bcode\W{0,4}403\b", unconfirmed="unserved"),
    _TROUBLE,
    Rule(
        "status",
        "retry",
        "{host} is in trouble: {said}",
        status=frozenset((0,)),
        codes=_set("internalserviceerror internalservererror internal_service_error internal_server_error"),
        outage=True,
    ),
    Rule(
        "status",
        "retry",
        "{host} was not ready (HTTP {status}): {said}",
        status=frozenset((408, 409, 425)),
        outage=True,
    ),
    # A wrong parameter costs nothing, and the user mends it: the request is not refused for good.
    Rule(
        "status",
        "retry",
        "{host} does not take a field that goes with every request (HTTP {status}: {said}): put it right in the "
        "serving's settings, extra_body among them",
        status=frozenset((400, 422)),
        says=r"(?:unknown|unsupported|unrecognized|unexpected)[^\n.]{0,20} (?:parameter|argument|field)"
        r"|unknown name|extra inputs are not permitted|extra_forbidden|unknown_parameter|unsupported_parameter",
        names_field=True,
        retries=0,
        unconfirmed="field",
    ),
    Rule(
        "status",
        "retry",
        "{host} does not take this request (HTTP {status}): {said}",
        status=CLIENT_ERRORS,
        retries=0,
        unconfirmed="row",
    ),
    Rule("status", "retry", "{host} broke off: {said}", maybe_paid=True),
    # A whole reply without the picture or the text that was asked for.
    Rule(
        "finish",
        "retry",
        "{model} made no picture ({finish})",
        codes=_set("no_image image_other other"),
        retries=2,
        refuse_after=True,
    ),
    Rule("finish", "refused", "{model} refuses under its content policy ({finish})", codes=REFUSALS),
    Rule("finish", "refused", "{model} ran out of tokens before a picture: raise max_tokens", codes=CUT_OFF),
    Rule("finish", "retry", "{model} broke off with an error", codes=_set("error"), maybe_paid=True),
    Rule(
        "finish",
        "retry",
        "{model} answered without what was asked for: {said}",
        codes=_set("stop end_turn completed") | {""},
        retries=2,
        refuse_after=True,
    ),
    Rule("finish", "retry", "{model} ended without an answer ({finish})", retries=1, refuse_after=True),
)

"""The words by which servers say why they fail: patterns that the rules of `catalogue` look for in a body's text.

The text is in lower case. A rule looks for words beside codes, since gateways keep a provider's words and lose its
codes.
"""

# No word of Google's "exceeded your current quota", which is said of a minute's limit, too.
NO_CREDIT = (
    r"insufficient[_ -]?(?:account|user|wallet)?[_ -]?(?:balance|credit|fund)|_spend_limit_exceeded"
    r"|monthly spending limit|account is not active"
    r"|balance (?:is |was )?(?:too low|not enough|insufficient|exhausted|empty|depleted|overdue)"
    r"|(?:exhausted|overdue|negative) balance|overdue (?:payment|bill|account)|arrearage|accountoverdue|欠费"
    r"|credits? (?:are |is |have been |limit )?(?:depleted|exhausted|exceeded|used up)|(?:requires|need) more credit"
    r"|(?:enough|out of|no remaining|no more|have any|used all available|monthly included) credit"
    r"|no credits? (?:left|remaining|available)|payment[_ ]required|suspended[^\n]{0,80}(?:balance|billing|invoices?\b)"
    r"|quota (?:has been |is |was )?(?:exhausted|used up|depleted)(?![^\n]{0,120}(?:second|minute|hour|day))"
    r"|please (?:recharge|top[ -]?up|add (?:more )?(?:credit|fund))"
)
"""The account is empty."""

SCARCE = r"额度不足|余额不足|quota is not enough"
"""The account has less credit than a gateway holds while requests run, or none."""

NO_CREDIT_NOTICE = (
    rf"(?s)\A(?=[^{{]{{0,600}}\Z)(?=.*(?:{NO_CREDIT}|余额不足))(?=.*(?:recharge|top[ -]?up|billing|充值))"
)
"""The account is empty, and a gateway says so as if it were the model's answer: a short text without JSON that tells
how to top up."""

NO_KEY = (
    r"api[_ ]?key (?:is )?(?:not valid|invalid|incorrect|expired|missing)|(?:invalid|incorrect|expired)[_ ]?api[_ ]?key"
    r"|invalid (?:access )?token|access token (?:is )?(?:invalid|expired)|token (?:is )?expired"
    r"|authentication (?:fails|failed|error)|login fail|无效的令牌|身份验证失败|鉴权失败"
)
"""The key is not accepted."""

RATE_LIMIT = r"rate[_ ]?limit|too many requests|过于频繁|限流"
"""A limit of requests is used up."""

REFUSED = (
    r"content policy|safety system|content management policy|requires moderation|input was flagged"
    r"|blocked by[^\n]{0,40}moderation|sensitive ?content|sensitive information|new_sensitive|riskdetection|敏感|违规"
)
"""The request is refused under a content policy."""

SOME = r'"(?:message|msg|status_msg|error_msg|errmsg|errormessage|detail|error)":\s?"(?!(?:ok|success)?")'
"""A field holds a message other than that all is well."""

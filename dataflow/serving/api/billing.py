"""Under what name an address charges for a serving's answers, and how the user's own settings bound them."""

from dataflow.core.records import JSON
from dataflow.core.worker import Billing
from dataflow.serving.api.settings import ApiSettings
from dataflow.serving.dialects.narrow import as_dict

BATCH_SHARE = 0.5  # Source: the price pages of OpenAI and Google: batches cost half
_BOUNDS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


def billing_of(settings: ApiSettings) -> Billing:
    """What to look up in a price table for a serving with these settings.

    `max_tokens` bounds what a chat costs, pictures included. The images API knows no such field, and the Responses
    API charges for pictures beside it.

    Raises:
        ConfigError: there is no address.
    """
    extra = settings.extra_body
    bounds = [as_dict(extra.get("generationConfig")).get("maxOutputTokens"), *(extra.get(name) for name in _BOUNDS)]
    bounds.append(settings.sampling.get("max_tokens"))
    given = [bound for bound in map(_count, bounds) if bound]
    bounded = bool(given) and settings.read_format() in ("chat", "gemini")
    share = BATCH_SHARE if settings.batch else 1.0
    return Billing(settings.model, given[0] if bounded else None, _count(extra.get("n")) or 1, share)


def _count(value: JSON) -> int:
    return int(value) if isinstance(value, int | float) and value > 0 else 0

"""Under what name an address charges for a serving's answers, and how the user's own settings bound them."""

from dataflow.core.records import JSON
from dataflow.core.worker import Billing
from dataflow.serving.api.settings import ApiSettings
from dataflow.serving.api.wire import wires_of
from dataflow.serving.dialects.narrow import as_dict, merged

BATCH_SHARE = 0.5  # Source: the price pages of OpenAI and Google: batches cost half


def billing_of(settings: ApiSettings) -> Billing:
    """What to look up in a price table for a serving with these settings, and what bounds the length of an answer.

    Raises:
        ConfigError: there is no address.
    """
    dialect = wires_of(settings)[0].dialect
    sent = merged(dialect.sampling_fields(settings.sampling), settings.extra_body)
    bounds = (_count(_field(sent, name)) for name in dialect.cost_bounds)
    share = BATCH_SHARE if settings.batch else 1.0
    return Billing(settings.model, next(filter(None, bounds), None), _count(sent.get("n")) or 1, share)


def _field(sent: JSON, name: str) -> JSON:
    """The value of a field whose dots lead into objects."""
    for part in name.split("."):
        sent = as_dict(sent).get(part)
    return sent


def _count(value: JSON) -> int:
    return int(value) if isinstance(value, int | float) and value > 0 else 0

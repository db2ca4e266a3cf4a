"""Says under which name a serving's answers are priced, and how the user's settings bound what an answer may cost."""

from collections.abc import Mapping

from dataflow.core.records import JSON
from dataflow.core.worker import Billing
from dataflow.serving.api.settings import ApiSettings
from dataflow.serving.api.wire import wires_of
from dataflow.serving.dialects.narrow import as_dict, as_number, merged

BATCH_SHARE = 0.5  # Source: the price pages of OpenAI and Google: batches cost half
# Under these names APIs and gateways take the number of answers that one request asks for.
_COUNTS = (
    *("n", "candidateCount", "generationConfig.candidateCount", "generation_config.candidate_count"),
    *("num_images", "batch_size", "parameters.sampleCount", "sequential_image_generation_options.max_images"),
)


def billing_of(settings: ApiSettings) -> Billing:
    """The model whose price holds for a serving, and the bounds of what one of its requests may cost.

    Args:
        settings: of the serving.

    Raises:
        ConfigError: the settings and the environment have no address.
    """
    dialect = wires_of(settings)[0].dialect
    sent = merged(dialect.sampling_fields(settings.sampling), settings.extra_body)
    bounds = (_count(_field(sent, name)) for name in dialect.cost_bounds)
    share = BATCH_SHARE if settings.batch else 1.0
    texts, pictures = _own_input(settings.extra_body)
    return Billing(
        settings.model, next(filter(None, bounds), None), count_asked(sent), share, texts=texts, pictures=pictures
    )


def count_asked(fields: Mapping[str, JSON]) -> int:
    """The number of answers that one request with these fields asks for, at least 1."""
    return max(1, *(_count(_field(dict(fields), name)) for name in _COUNTS))


def _own_input(extra_body: Mapping[str, JSON]) -> tuple[int, int]:
    """The bytes of text, and the number of pictures as data URLs, that the user's own fields add to every request."""
    texts, pictures = 0, 0
    waiting: list[JSON] = [dict(extra_body)] if extra_body else []
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            texts += sum(map(len, map(str.encode, value)))
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str) and value[:5].lower() == "data:":
            pictures += 1
        else:
            texts += len(str(value).encode())
    return texts, pictures


def _field(sent: JSON, name: str) -> JSON:
    """The value of a field; a dot in its name leads into an object."""
    for part in name.split("."):
        sent = as_dict(sent).get(part)
    return sent


def _count(value: JSON) -> int:
    return max(0, int(as_number(value) or 0))

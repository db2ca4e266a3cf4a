"""Reads the tokens and the cost in a reply's usage; every API has other names for these few numbers.

A dialect hands over each number of the usage under the name that the API gave it; a nested number has the name
`outer.inner`. Only numbers that are charged are read. If the total is more than input and output together, the rest is
output, too: Google counts thoughts apart from the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_INPUT = ("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_token_count")
_OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount", "candidates_token_count")
_THOUGHTS = ("thoughtsTokenCount", "thoughts_token_count")
_TOTAL = ("total_tokens", "totalTokenCount", "total_token_count")
_CACHED = (
    "prompt_tokens_details.cached_tokens",
    "input_tokens_details.cached_tokens",
    "cachedContentTokenCount",
    "cached_content_token_count",
    "prompt_cache_hit_tokens",
)
_IMAGE_INPUT = (
    "prompt_tokens_details.image_tokens",
    "input_tokens_details.image_tokens",
    "promptTokensDetails.IMAGE",
    "prompt_tokens_details.IMAGE",
)
_IMAGE_OUTPUT = (
    "completion_tokens_details.image_tokens",
    "output_tokens_details.image_tokens",
    "candidatesTokensDetails.IMAGE",
    "candidates_tokens_details.IMAGE",
)
_MOST_TOKENS = 1e9  # in one attempt; a server that reports more does not report tokens


@dataclass(frozen=True, slots=True)
class Used:
    """The tokens of one attempt, as its reply counts them.

    Args:
        input: number of input tokens, with cached ones and those of pictures.
        cached: number of input tokens that the provider had in its cache.
        image_input: number of input tokens of pictures; None: not counted apart.
        output: number of output tokens, with thoughts and those of pictures.
        image_output: number of output tokens of pictures; None: not counted apart.
        cost: cost of the attempt in dollars, as the gateway states it; None: not stated, or only a part of it.
        counted: the reply counts tokens; False also for a usage of zeros, which some gateways send.
    """

    input: int = 0
    cached: int = 0
    image_input: int | None = None
    output: int = 0
    image_output: int | None = None
    cost: float | None = None
    counted: bool = False


def read_used(usage: Mapping[str, float]) -> Used:
    """Read the tokens and the cost in a usage of any API.

    Args:
        usage: `usage` of an `Answer`: name of a number in the reply → the number. A name that is not known is ignored.

    Returns:
        The counts by one set of names, as `Price.cost` takes them; `counted` is False where the reply counts no tokens.
    """
    if not usage:
        return Used()
    input_, output, thoughts = _first(usage, _INPUT), _first(usage, _OUTPUT), _first(usage, _THOUGHTS)
    total = _first(usage, _TOTAL)
    cost = _stated_cost(usage)
    counts = [each for each in (input_, output, total, thoughts) if each is not None]
    if not any(counts) or max(counts) > _MOST_TOKENS:
        return Used(cost=cost)
    tokens_in = int(input_ or 0)
    tokens_out = max(int(output or 0) + int(thoughts or 0), int(total or 0) - tokens_in)
    image_in, image_out = _first(usage, _IMAGE_INPUT), _first(usage, _IMAGE_OUTPUT)
    return Used(
        input=tokens_in,
        cached=min(tokens_in, int(_first(usage, _CACHED) or 0)),
        image_input=None if image_in is None else min(tokens_in, int(image_in)),
        output=tokens_out,
        image_output=None if image_out is None else min(tokens_out, int(image_out)),
        cost=cost,
        counted=True,
    )


def _stated_cost(usage: Mapping[str, float]) -> float | None:
    """Return the cost that a gateway states, with the provider's own bill.

    If the gateway uses a provider key of the user, the gateway charges only its fee, and the provider bills the rest.
    If the reply does not say whose key was used, a provider's bill above the gateway's charge counts as extra.

    Source: https://openrouter.ai/docs/use-cases/usage-accounting, "Cost Breakdown"; replies of 2026 name the
    provider's bill beside any cost, with `is_byok`.
    """
    charged = _first(usage, ("cost",))
    upstream = _first(usage, ("cost_details.upstream_inference_cost",))
    own_key = usage.get("is_byok")
    if charged is None:
        return upstream
    if upstream is None:
        return None if own_key else charged
    is_extra = upstream > charged if own_key is None else bool(own_key)
    return charged + upstream if is_extra else charged


def _first(usage: Mapping[str, float], names: tuple[str, ...]) -> float | None:
    """Return the first of these numbers that the usage has and that is not negative."""
    return next((usage[name] for name in names if usage.get(name, -1.0) >= 0), None)

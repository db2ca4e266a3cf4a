"""What a reply says it used, in one form: every API has other names for the same few numbers.

A dialect hands over each number of the reply's usage under the name the API gave it, one level of nesting
as `outer.inner`. Only what is charged is read here. Where `total` says more than input and output together, the
rest is output too: Google counts what a model thought apart from what it said.
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
_MOST_TOKENS = 1e9  # of one attempt; whoever counts more counts something else


@dataclass(frozen=True, slots=True)
class Used:
    """Tokens of one attempt, as its reply counts them.

    Args:
        input: tokens that went in, cached ones and those of pictures included.
        cached: of these, tokens the provider had seen before.
        image_input: of these, tokens of pictures; None: not counted apart.
        output: tokens that came out, thoughts and those of pictures included.
        image_output: of these, tokens of pictures; None: not counted apart.
        cost: what the gateway says that the attempt cost, in dollars; None: it does not say, or not all of it.
        counted: whether the reply counts tokens at all, in numbers that can be: gateways fill in zeros.
    """

    input: int = 0
    cached: int = 0
    image_input: int | None = None
    output: int = 0
    image_output: int | None = None
    cost: float | None = None
    counted: bool = False


def read_used(usage: Mapping[str, float]) -> Used:
    """The tokens in a usage, whichever API it is of."""
    if not usage:
        return Used()
    given, made = _first(usage, _INPUT), _first(usage, _OUTPUT)
    total = _first(usage, _TOTAL)
    cost = _stated_cost(usage)
    counts = [each for each in (given, made, total, _first(usage, _THOUGHTS)) if each is not None]
    if not any(counts) or max(counts) > _MOST_TOKENS:
        return Used(cost=cost)
    tokens_in = int(given or 0)
    said = int(made or 0) + int(_first(usage, _THOUGHTS) or 0)
    tokens_out = max(said, int(total or 0) - tokens_in)
    seen, drawn = _first(usage, _IMAGE_INPUT), _first(usage, _IMAGE_OUTPUT)
    return Used(
        input=tokens_in,
        cached=min(tokens_in, int(_first(usage, _CACHED) or 0)),
        image_input=None if seen is None else min(tokens_in, int(seen)),
        output=tokens_out,
        image_output=None if drawn is None else min(tokens_out, int(drawn)),
        cost=cost,
        counted=True,
    )


def _stated_cost(usage: Mapping[str, float]) -> float | None:
    """What the gateway says that an attempt cost, its provider's own bill included.

    With a provider key of the user's own, a gateway charges its fee alone, and the provider bills the rest. Where the
    reply does not say whose key it was, a provider's bill above the charge is not in it.

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
    """The first of these that is there and no debt."""
    return next((usage[name] for name in names if usage.get(name, -1.0) >= 0), None)

"""The bill that a loopback server keeps: its charge for each reply, by the usage in the reply."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import orjson

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the bill; `whole` is false for a reply that broke off, though the work was done."""

    prompt: str
    cost: Fraction
    whole: bool


@dataclass(slots=True)
class Bill:
    """Prices for a million tokens and for a picture, and what was charged."""

    input: str = "0"
    output: str = "0"
    image: str = "0"
    items: list[Item] = field(default_factory=list)

    def usage(self, prompt: str, sent: int, made: int) -> dict[str, Any]:
        """The token counts of a good chat answer, which depend on its words and on the pictures sent and made."""
        tokens_in, tokens_out = 10 + len(prompt.encode()) + 258 * sent, 1290 * made + len(prompt) % 7
        return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}

    def charge(self, prompt: str, body: Any, *, pictures: int, whole: bool) -> None:
        """Charge for a reply with HTTP status 200.

        Args:
            prompt: that was asked.
            body: of the reply, whole, as an object or as sent.
            pictures: good ones in it.
            whole: whether all of it is sent.
        """
        usage = _usage(body)
        tokens_in = usage.get("prompt_tokens", usage.get("input_tokens", 0))
        tokens_out = usage.get("completion_tokens", usage.get("output_tokens", 0))
        cost = (tokens_in * Fraction(self.input) + tokens_out * Fraction(self.output)) / MILLION
        self.items.append(Item(prompt, cost + pictures * Fraction(self.image), whole))

    def total(self, *, whole: bool | None = None) -> Fraction:
        """The sum of the bill: for whole replies, for broken ones, or for both."""
        return sum((item.cost for item in self.items if whole in (None, item.whole)), Fraction())


def _usage(body: Any) -> dict[str, int]:
    if isinstance(body, bytes):
        lines = [line.removeprefix(b"data:").strip() for line in body.splitlines()]
        objects = [orjson.loads(line) for line in lines if line.startswith(b"{")]
        told = [each["usage"] for each in objects if each.get("usage")]
        return told[-1] if told else {}
    return body.get("usage") or {} if isinstance(body, dict) else {}

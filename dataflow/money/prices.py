"""What a model costs: the price table, shipped as `prices.yaml` beside this file, and the user's own on top of it.

Sums are whole billionths of the currency, so that a million small costs add up to the last digit.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date as calendar_date
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from dataflow.core.records import NANO
from dataflow.core.run_options import Prices
from dataflow.errors import ConfigError
from dataflow.money.price_file import is_amount, read_price_file, show
from dataflow.money.usage import Used

SHIPPED = Path(__file__).with_name("prices.yaml")
_MILLION = 1_000_000
_RATES = ("input", "cached_input", "image_input", "output", "image_output")
_KNOWN_TOP = ("date", "currency", "models")
_WORDS = {"date": "2026-11-23", "currency": "USD"}
OLD_DAYS = 90  # after which the prices of a file are named as old: providers change theirs every quarter
_LARGEST = 1_000_000_000  # of a rate or a bound: above what any model costs in any currency, or takes in tokens


@dataclass(frozen=True, slots=True)
class Price:
    """What one model costs, in the table's currency.

    Args:
        input: for a million tokens that go in.
        cached_input: of these, for those the provider had seen before; None: as `input`.
        image_input: of these, for those of pictures; None: as `input`.
        output: for a million tokens that come out; None: as `image_output`.
        image_output: of these, for those of pictures; None: as `output`.
        image: for a picture that comes back.
        most_input: most tokens of a request; 0: unknown.
        most_picture: most tokens of one picture that goes in; 0: unknown.
        most_output: most tokens of an answer, beside pictures; 0: unknown.
        most_image_output: most tokens of one picture that comes back; 0: within `most_output`.
        most_images: most pictures of an answer, where `image` is charged.
        about_image: what a usual picture costs in all, for a dry run's estimate and for replies that count no tokens;
            0: unknown.
        free: it costs nothing.
    """

    input: float = 0.0
    cached_input: float | None = None
    image_input: float | None = None
    output: float | None = None
    image_output: float | None = None
    image: float = 0.0
    most_input: float = 0.0
    most_picture: float = 0.0
    most_output: float = 0.0
    most_image_output: float = 0.0
    most_images: float = 1.0
    about_image: float = 0.0
    free: bool = False

    @property
    def by_token(self) -> bool:
        """Whether tokens are charged."""
        return bool(self.input or self.output or self.image_output)

    @property
    def output_rates(self) -> tuple[float, float]:
        """For a million tokens that come out: of text, of pictures."""
        text = self.output if self.output is not None else self.image_output or 0.0
        return text, self.image_output if self.image_output is not None else text

    def cost(self, used: Used, pictures: int, *, draws: bool) -> int | None:
        """What an attempt cost, in billionths; None: its reply does not count its tokens, or not those of its pictures.

        Args:
            used: as the reply counts.
            pictures: that came back.
            draws: whether pictures were asked for: all output is then theirs unless they are counted apart.
        """
        if self.by_token and not (used.counted and self._counts_pictures(used, pictures)):
            return None
        text_rate, image_rate = self.output_rates
        seen = used.image_input
        if seen is None:
            seen = used.input if (self.image_input or 0.0) > self.input else 0
        seen = min(seen, used.input - used.cached)
        drawn = used.image_output
        if drawn is None:
            drawn = used.output if draws and image_rate > text_rate else 0
        cached_rate = self.input if self.cached_input is None else self.cached_input
        tokens = (
            (used.input - used.cached - seen) * self.input
            + used.cached * cached_rate
            + seen * (self.input if self.image_input is None else self.image_input)
            + (used.output - drawn) * text_rate
            + drawn * image_rate
        )
        return round((tokens / _MILLION + pictures * self.image) * NANO)

    def _counts_pictures(self, used: Used, pictures: int) -> bool:
        """Whether the tokens of pictures can be among those that a reply counts.

        Gateways count the words beside a picture alone. Few tokens are believed where no usual picture is known that
        could be priced instead.
        """
        least = _LEAST_PICTURE if self.about_image else 1
        return used.output >= least * pictures or not any(self.output_rates)

    def usual(self, pictures: Sequence[int]) -> int | None:
        """What pictures cost, in billionths; None: there are none, or nobody knows.

        Args:
            pictures: pixels of each; one that is larger than usual is priced at its bound.
        """
        if not self.about_image:
            return None
        most = max(self.about_image, self.most_image_output * self.output_rates[1] / _MILLION)
        return round(sum(self.about_image if each <= _USUAL_PIXELS else most for each in pictures) * NANO) or None

    def most(self, text: int | None, pictures: int, *, draws: bool, most_output: int | None, images: int) -> int:
        """What an attempt can cost at most, in billionths.

        Args:
            text: bytes of what is said; no token is shorter than a byte. None: as much as the model takes.
            pictures: that go in.
            draws: whether pictures are asked for.
            most_output: tokens of the answer as the user bounds them.
            images: pictures, or texts, asked for in one request; each may be as long as the longest.
        """
        tokens_in = (self.most_input if text is None else text) + _FRAME + pictures * self.most_picture
        if self.most_input and (tokens_in > self.most_input or (pictures and not self.most_picture)):
            tokens_in = self.most_input
        input_rate = max(self.input, self.image_input or 0.0) if pictures else self.input
        text_rate, image_rate = self.output_rates
        if draws and self.most_image_output:
            made = self.most_output * text_rate + self.most_image_output * image_rate
        else:
            made = self.most_output * (max(text_rate, image_rate) if draws else text_rate)
        if most_output is not None:
            drawn = min(most_output, self.most_image_output or most_output) if draws else 0
            bounded = drawn * max(text_rate, image_rate) + (most_output - drawn) * text_rate
            made = min(made, bounded) if made else bounded
        back = max(images, self.most_images) * self.image if draws else 0.0
        return min(_MOST_COST, math.ceil(((tokens_in * input_rate + images * made) / _MILLION + back) * NANO))

    def unbounded(self, *, most_output: int | None) -> str:
        """Which bound is missing to tell what a request costs at most; empty if none is."""
        if self.input and not self.most_input:
            return "most_input"
        bounded = most_output is not None or self.most_output or self.most_image_output
        return "most_output" if any(self.output_rates) and not bounded else ""


_USUAL_PIXELS = 1_600_000  # one megapixel and what shapes add: 1536 x 1024; `about_image` is the price of such a one
_LEAST_PICTURE = 100  # tokens; Source: OpenAI's image guide, 272 for the smallest picture of least quality
_MOST_COST = 10**18  # billionths; above all limits, and within the index's 64 bits
_FRAME = 256  # tokens that an API puts around a request: roles, a frame of its own


@dataclass(frozen=True, slots=True)
class PriceLayer:
    """The prices of one file, or of one mapping.

    Args:
        prices: name or pattern → price.
        date: when they were read, as the file says; empty where it does not.
        source: the file, for messages.
    """

    prices: Mapping[str, Price]
    date: str
    source: str

    def days_old(self, today: calendar_date) -> int:
        """Days since they were read; 0 where no day is said."""
        try:
            return (today - calendar_date.fromisoformat(self.date)).days
        except ValueError:
            return 0

    def price(self, model: str) -> Price | None:
        """The price of a model by its name, without what a gateway puts before it, or by a pattern."""
        name = model.strip().lower().removeprefix("models/")
        names = tuple(dict.fromkeys((name, name.rpartition("/")[2])))
        for each in names:
            if each in self.prices:
                return self.prices[each]
        for each in names:
            found = [pattern for pattern in self.prices if _is_pattern(pattern) and fnmatchcase(each, pattern)]
            if found:
                return self.prices[max(found, key=len)]  # the longest says most
        return None


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by model.

    Args:
        date: when they were read, as the table says.
        currency: of all of them.
        layers: the first that knows a model decides.
        source: the file, for the words of an error.
    """

    date: str
    currency: str
    layers: tuple[PriceLayer, ...]
    source: str

    def price(self, model: str) -> Price | None:
        """The price of a model as an address names it, or None."""
        return _first_price(self.layers, model)

    def layer_of(self, model: str) -> PriceLayer | None:
        """Whose price of a model counts, or None."""
        return next((layer for layer in self.layers if layer.price(model) is not None), None)

    def price_of_another(self, asked: str, answered: str) -> Price | None:
        """The price of a model that answered in place of the one that was asked for, or None.

        A user's own price of what is asked says what is charged for asking: only the user's own price goes before it.
        """
        decides = self.layer_of(asked)
        return _first_price(self.layers if decides is not self.layers[0] else (decides,), answered)


def read_prices(prices: Prices | None) -> PriceTable:
    """The shipped table, with the user's own prices before it.

    Args:
        prices: the path of a file in the form of the shipped one; or model → price; None: the shipped table alone.

    Raises:
        ConfigError: the file is missing or not a price table; a price is no price.
    """
    shipped = _read_shipped()
    if prices is None:
        return shipped
    if isinstance(prices, Mapping):
        return _table({"models": dict(prices)}, "prices=", shipped)
    path = Path(prices).expanduser()
    return _table(read_price_file(path), str(path), shipped)


@cache
def _read_shipped() -> PriceTable:
    return _table(read_price_file(SHIPPED), str(SHIPPED), None)


def _table(read: object, source: str, below: PriceTable | None) -> PriceTable:
    form = "models: {gemini-3.5-flash: {input: 1.50, output: 9.00}}"
    if not isinstance(read, dict) or not isinstance(read.get("models"), dict):
        raise ConfigError(f"{source} is no price table: it has no `models`. The form is {form}, see {SHIPPED}")
    if unknown := [key for key in read if key not in _KNOWN_TOP]:
        raise ConfigError(f"{source} has {show(unknown[0])}; a price table has {', '.join(_KNOWN_TOP)}")
    currency = _word(read, "currency", below.currency if below else "USD", source).upper()
    prices = {_model(name, source): _price(name, entry, source) for name, entry in read["models"].items()}
    layer = PriceLayer(prices, _word(read, "date", "", source), source)
    # Prices in another currency say nothing here.
    layers = (layer, *(below.layers if below and below.currency == currency else ()))
    date = _word(read, "date", below.date if below else "", source)
    return PriceTable(date, currency, layers, source)


def _word(read: Mapping[object, object], field: str, default: str, source: str) -> str:
    value = read.get(field) or default
    if not isinstance(value, str | calendar_date):
        raise ConfigError(f"{source} says {field}: {show(value)}; give a word, such as {_WORDS[field]}")
    return str(value)[:40]


def _model(name: object, source: str) -> str:
    if not isinstance(name, str | int | float):
        raise ConfigError(f"{source} has a model named {show(name)}: give its name as the API takes it")
    return name.strip().lower() if isinstance(name, str) else show(name)


def _price(name: object, entry: object, source: str) -> Price:
    where = f"{source}: the price of {name if isinstance(name, str) else show(name)}"
    if not isinstance(entry, Mapping):
        wanted = "{input: 2.50, output: 10.00} for a million tokens, or {image: 0.04}"
        raise ConfigError(f"{where} is {show(entry)}: give {wanted}")
    known = [field.name for field in fields(Price)]
    for key, value in entry.items():
        if key not in known:
            raise ConfigError(f"{where} has {show(key)}; known are {', '.join(known)}")
        if not (isinstance(value, bool) if key == "free" else is_amount(value, _LARGEST)):
            wanted = "true or false" if key == "free" else f"a number from 0 to {_LARGEST:,}"
            raise ConfigError(f"{where} says {key}: {show(value)}; give {wanted}")
    if not entry.get("free") and not any(entry.get(rate) for rate in (*_RATES, "image")):
        raise ConfigError(f"{where} names no price: give input and output, or image, or say free: true")
    return Price(**entry)


def _first_price(layers: Sequence[PriceLayer], model: str) -> Price | None:
    return next((price for layer in layers if (price := layer.price(model)) is not None), None)


def _is_pattern(name: str) -> bool:
    return any(mark in name for mark in "*?[")

"""Price tables: the shipped `prices.yaml` beside this file, and the user's own prices, which go before the shipped.

Costs are whole billionths of the currency, so that the sum of a million small costs is exact.
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
OLD_DAYS = 90  # prices read longer ago are old: providers change their prices every quarter
_LARGEST = 1_000_000_000  # greatest rate or bound: above every price in every currency, and every number of tokens


@dataclass(frozen=True, slots=True)
class Price:
    """What one model costs, in the table's currency.

    Args:
        input: price of a million input tokens.
        cached_input: price of a million input tokens that the provider has in its cache; None: as `input`.
        image_input: price of a million input tokens of pictures; None: as `input`.
        output: price of a million output tokens; None: as `image_output`.
        image_output: price of a million output tokens of pictures; None: as `output`.
        image: price of one picture in an answer.
        most_input: greatest number of input tokens of a request; 0: not known.
        most_picture: greatest number of input tokens of one picture; 0: not known.
        most_output: greatest number of output tokens of an answer, without pictures; 0: not known.
        most_image_output: greatest number of output tokens of one picture; 0: pictures are within `most_output`.
        most_images: greatest number of pictures in an answer, for a model with a price `image`.
        about_image: cost of a usual picture in all, for a dry run and for replies without tokens; 0: not known.
        free: the model costs nothing.
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
        """Whether the model has a price for tokens."""
        return bool(self.input or self.output or self.image_output)

    @property
    def output_rates(self) -> tuple[float, float]:
        """The prices of a million output tokens: of text, and of pictures."""
        text = self.output if self.output is not None else self.image_output or 0.0
        return text, self.image_output if self.image_output is not None else text

    def cost(self, used: Used, pictures: int, *, draws: bool) -> int | None:
        """Return the cost of an attempt, in billionths.

        None: the model charges for tokens, and the reply does not count them, or not those of its pictures.

        Args:
            used: the tokens in the reply.
            pictures: number of pictures in the reply.
            draws: the request asked for pictures: output tokens that the reply does not divide are those of pictures.
        """
        if self.by_token and not (used.counted and self._counts_pictures(used, pictures)):
            return None
        text_rate, image_rate = self.output_rates
        # Tokens that a reply does not divide into text and pictures are priced at the higher of both rates.
        image_in = used.image_input
        if image_in is None:
            image_in = used.input if (self.image_input or 0.0) > self.input else 0
        image_in = min(image_in, used.input - used.cached)
        image_out = used.image_output
        if image_out is None:
            image_out = used.output if draws and image_rate > text_rate else 0
        cached_rate = self.input if self.cached_input is None else self.cached_input
        tokens = (
            (used.input - used.cached - image_in) * self.input
            + used.cached * cached_rate
            + image_in * (self.input if self.image_input is None else self.image_input)
            + (used.output - image_out) * text_rate
            + image_out * image_rate
        )
        return round((tokens / _MILLION + pictures * self.image) * NANO)

    def _counts_pictures(self, used: Used, pictures: int) -> bool:
        """Whether the output tokens of a reply can include those of its pictures.

        Some gateways count only the words beside a picture. Too few tokens are believed only if there is no price of a
        usual picture that could count instead.
        """
        least = _LEAST_PICTURE if self.about_image else 1
        return used.output >= least * pictures or not any(self.output_rates)

    def usual(self, pictures: Sequence[int]) -> int | None:
        """Return the cost of pictures at the price of a usual one, in billionths; None: there are none, or no price.

        Args:
            pictures: number of pixels of each picture; one above the usual size has its highest cost.
        """
        if not self.about_image:
            return None
        most = max(self.about_image, self.most_image_output * self.output_rates[1] / _MILLION)
        return round(sum(self.about_image if each <= _USUAL_PIXELS else most for each in pictures) * NANO) or None

    def most(self, text: int | None, pictures: int, *, draws: bool, most_output: int | None, images: int) -> int:
        """Return the highest cost of an attempt, in billionths.

        Args:
            text: bytes of the texts in the request, since no token is shorter than a byte; None: not known, and the
                greatest number of input tokens counts.
            pictures: number of pictures in the request.
            draws: the request asks for pictures.
            most_output: greatest number of output tokens that the user allows; None: the user sets no bound.
            images: number of pictures or texts that the request asks for, each of which may have the greatest length.
        """
        tokens_in = (self.most_input if text is None else text) + _FRAME + pictures * self.most_picture
        # Pictures without a bound of their own may take all of the model's input.
        if self.most_input and (tokens_in > self.most_input or (pictures and not self.most_picture)):
            tokens_in = self.most_input
        input_rate = max(self.input, self.image_input or 0.0) if pictures else self.input
        text_rate, image_rate = self.output_rates
        if draws and self.most_image_output:
            output = self.most_output * text_rate + self.most_image_output * image_rate
        else:
            output = self.most_output * (max(text_rate, image_rate) if draws else text_rate)
        if most_output is not None:  # the lower one of both bounds holds; without the model's, that of the user
            image_out = min(most_output, self.most_image_output or most_output) if draws else 0
            bounded = image_out * max(text_rate, image_rate) + (most_output - image_out) * text_rate
            output = min(output, bounded) if output else bounded
        pictures_out = max(images, self.most_images) * self.image if draws else 0.0
        return min(_MOST_COST, math.ceil(((tokens_in * input_rate + images * output) / _MILLION + pictures_out) * NANO))

    def unbounded(self, *, most_output: int | None) -> str:
        """Return the name of a bound that is missing for the highest cost of a request; "" if none is."""
        if self.input and not self.most_input:
            return "most_input"
        bounded = most_output is not None or self.most_output or self.most_image_output
        return "most_output" if any(self.output_rates) and not bounded else ""


_USUAL_PIXELS = 1_600_000  # `about_image` is the price of pictures up to this size: a megapixel, or 1536 x 1024
_LEAST_PICTURE = 100  # tokens; Source: OpenAI's image guide, 272 for the smallest picture of the lowest quality
_MOST_COST = 10**18  # billionths: above every limit, and within the 64 bits of the journal's index
_FRAME = 256  # tokens that an API adds to a request, such as the names of roles


@dataclass(frozen=True, slots=True)
class PriceLayer:
    """The prices of one file, or of the user's mapping.

    Args:
        prices: name of a model, or a pattern such as "gpt-*" → price.
        date: day on which the prices were read, as the file says; "": the file does not say.
        source: path of the file, for messages.
    """

    prices: Mapping[str, Price]
    date: str
    source: str

    def days_old(self, today: calendar_date) -> int:
        """Return the days since the prices were read; 0 if the day is not known."""
        try:
            return (today - calendar_date.fromisoformat(self.date)).days
        except ValueError:
            return 0

    def price(self, model: str) -> Price | None:
        """Return the price of a model by its name, with or without a gateway's prefix, or by a pattern; or None."""
        name = model.strip().lower().removeprefix("models/")
        names = tuple(dict.fromkeys((name, name.rpartition("/")[2])))
        for each in names:
            if each in self.prices:
                return self.prices[each]
        for each in names:
            found = [pattern for pattern in self.prices if _is_pattern(pattern) and fnmatchcase(each, pattern)]
            if found:
                return self.prices[max(found, key=len)]  # the longest pattern is the most specific
        return None


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The price table of a run.

    Args:
        date: day on which the prices were read, as the first layer says.
        currency: the currency of all prices.
        layers: the user's prices, then the shipped ones; the first layer with a price of a model decides.
        source: path of the first layer's file, for messages.
    """

    date: str
    currency: str
    layers: tuple[PriceLayer, ...]
    source: str

    def price(self, model: str) -> Price | None:
        """Return the price of a model, as a serving names the model; None: not known."""
        return _first_price(self.layers, model)

    def layer_of(self, model: str) -> PriceLayer | None:
        """Return the layer whose price of a model counts; None: no layer has one."""
        return next((layer for layer in self.layers if layer.price(model) is not None), None)

    def price_of_another(self, asked: str, answered: str) -> Price | None:
        """Return the price of a model that answered in place of the requested one; None: the requested model's counts.

        If the user gave a price of the requested model, that is what the provider charges. Then only a price that the
        user gave for the answering model goes before it.
        """
        decides = self.layer_of(asked)
        return _first_price(self.layers if decides is not self.layers[0] else (decides,), answered)


def read_prices(prices: Prices | None) -> PriceTable:
    """Read the shipped price table, with the user's own prices before it.

    Args:
        prices: path of a file in the form of the shipped one, or a mapping of model → price; None: the shipped table
            alone.

    Raises:
        ConfigError: the file cannot be read or is no price table, or a price is not valid.
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
    # Shipped prices are left out if they are in another currency.
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

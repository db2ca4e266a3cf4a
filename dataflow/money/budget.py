"""The budget of a step: what its workers charge, and how much may be spent. It is made before the first request."""

import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache

from dataflow.core.model_names import is_same_model
from dataflow.core.records import NANO, PICTURES_SENT, Answer, Charge, Job, Makes, Request
from dataflow.core.run_options import RunOptions
from dataflow.core.worker import Billing, Worker
from dataflow.errors import ConfigError
from dataflow.money.prices import OLD_DAYS, SHIPPED, Price, PriceTable, read_prices
from dataflow.money.usage import Used, read_used

log = logging.getLogger(__name__)

VARIABLE = "DF_MAX_COST"
STATED_IN = "USD"  # gateways state costs in dollars, whatever the currency of the price table
TEXT_IN, PICTURE_IN, TEXT_OUT = 700, 1200, 300
"""Tokens of a usual request for text: a rubric or a brief, each picture of a megapixel, and an answer in JSON without
thoughts."""
# A cost in a reply is believed up to the greatest of these; a greater one is in another unit, or a fault of the server.
_ALWAYS_BELIEVED = NANO  # one unit of the currency
_MOST_WITHOUT_BOUNDS = 1000 * NANO  # for a model without a price, or without bounds
_MOST_TIMES = 100  # times the highest cost by the price table; the gateway's price may differ from the table's


@dataclass(frozen=True, slots=True)
class Budget:
    """What the workers of a step charge, and how much may be spent in its cache directory.

    Amounts are whole billionths of the table's currency, unless a docstring says otherwise.

    Args:
        table: the price table; None: no worker charges.
        priced: name of a worker in requests → its billing and its price, or None if the table has no price for its
            model. Workers that cost nothing are left out.
        max_cost: greatest amount that may be spent in the directory; None: no limit.
        shards: number of shards among which the user's limit was divided; `max_cost` is the part of one.
    """

    table: PriceTable | None
    priced: Mapping[str, tuple[Billing, Price | None]]
    max_cost: int | None
    shards: int = 1

    def most(self, request: Request) -> int:
        """Return the highest cost of one attempt at a request, in billionths; 0 if it is not known."""
        billing, price = self.priced.get(request.worker, (None, None))
        return 0 if billing is None or price is None else _most(request, billing, price)

    def most_unseen(self, worker: str, makes: Makes) -> int:
        """Return the highest cost of one attempt at a request that is not made yet, in billionths; 0: not known."""
        billing, price = self.priced.get(worker, (None, None))
        return 0 if billing is None or price is None else _bound(billing, price, makes, None, 1)

    def usual_cost(self, worker: str, makes: Makes) -> float | None:
        """Return the usual cost of one attempt of a worker, in billionths.

        None: the worker does not charge, makes no pictures, or its model has no price of a usual picture.
        """
        billing, price = self.priced.get(worker, (None, None))
        if billing is None or price is None or makes != "image":
            return None
        each = price.about_image or (price.image if not price.by_token else 0.0)
        return each * billing.images * billing.share * NANO if each else None

    def usual_text_cost(self, worker: str, pictures: int) -> float | None:
        """Return the cost of one attempt at a text of usual length, in billionths; None if the model has no price.

        Args:
            worker: name of a worker that writes or judges.
            pictures: number of pictures in the request.
        """
        billing, price = self.priced.get(worker, (None, None))
        if billing is None or price is None:
            return None
        used = Used(input=TEXT_IN + pictures * PICTURE_IN, output=TEXT_OUT, counted=True)
        cost = price.cost(used, 1, draws=False)
        return None if cost is None else cost * billing.images * billing.share

    def is_usual(self, worker: str) -> bool:
        """Whether `usual_cost` is the price of a usual picture, from which that of a larger one differs."""
        _, price = self.priced.get(worker, (None, None))
        return price is not None and price.about_image > 0

    def charge(self, job: Job, answer: Answer) -> Charge | None:
        """Return the charge for an attempt that ended with this answer; None: nobody charges for it.

        The first known of these counts: the cost that the gateway states, the price of the reply's tokens by the
        table, the price of usual pictures by the table. A cost that no request can have is ignored. An attempt that
        failed without usage cost nothing, unless its failure says that it may have been paid for; its cost is then
        unknown.
        """
        billed = self.priced.get(job.request.worker)
        if billed is None:
            return None
        billing, price = billed
        price = self._price_of_answering_model(billing, answer) or price
        error = answer.error
        used = read_used(answer.usage if error is None else error.usage or answer.usage)
        most, disbelieved = _most_believed(job.request, billing, price), 0.0
        if used.cost is not None and self.table is not None and self.table.currency == STATED_IN:
            if used.cost * NANO <= most:
                return Charge(round(used.cost * NANO))
            disbelieved = used.cost
        if error is not None and not used.counted:
            return Charge(None, disbelieved=disbelieved) if error.maybe_paid or disbelieved else None
        # After a failure that may have been paid for, nobody knows whether a model with a price for each picture
        # charged for one.
        if price is None or (error is not None and error.maybe_paid and price.image):
            return Charge(None, disbelieved=disbelieved)
        sizes = [picture.width * picture.height for picture in answer.pictures]
        sizes += sizes[-1:] * (int(answer.usage.get(PICTURES_SENT, 0)) - len(sizes))  # also those that were not kept
        cost = price.cost(used, len(sizes), draws=job.request.makes == "image")
        if is_estimated := cost is None or cost > most:
            disbelieved = disbelieved or (cost or 0) / NANO
            cost = price.usual(sizes)
        if cost is None:
            return Charge(None, disbelieved=disbelieved)
        return Charge(round(cost * billing.share), estimated=is_estimated, disbelieved=disbelieved)

    def _price_of_answering_model(self, billing: Billing, answer: Answer) -> Price | None:
        """Return the price of the model that the reply names; None: it is the requested model, or has no price."""
        model = answer.model or (answer.error.model if answer.error is not None else "")
        if self.table is None or not model or is_same_model(billing.model, model):
            return None
        return self.table.price_of_another(billing.model, model)


def _most(request: Request, billing: Billing, price: Price) -> int:
    texts = (request.prompt, request.schema, *request.labels, *(turn.text for turn in request.turns))
    size = sum(len(text.encode()) for text in texts)
    return _bound(billing, price, request.makes, size, len(request.all_files()))


def _bound(billing: Billing, price: Price, makes: Makes, size: int | None, pictures: int) -> int:
    """Return the highest cost of an attempt, by the bytes of its texts (None: not known) and its pictures."""
    most = price.most(
        None if size is None else size + billing.texts,
        pictures + billing.pictures,
        draws=makes == "image",
        most_output=billing.most_output,
        images=billing.images,
    )
    return math.ceil(most * billing.share)


def _most_believed(request: Request, billing: Billing, price: Price | None) -> int:
    """Return the highest cost in a reply that is believed, in billionths.

    Args:
        request: the request of the attempt.
        billing: the billing of the worker.
        price: the price of the model that answered; None: not known.
    """
    if price is None or price.unbounded(most_output=billing.most_output):
        return _MOST_WITHOUT_BOUNDS
    return max(_ALWAYS_BELIEVED, _MOST_TIMES * _most(request, billing, price))


def make_budget(workers: Mapping[str, Worker], options: RunOptions, *, today: date | None = None) -> Budget:
    """Make the budget of a step: the prices of its workers, and the limit from `max_cost` or `DF_MAX_COST`.

    Args:
        workers: name in requests → worker.
        options: the options of the run.
        today: the day for which old prices are named in a warning, once in a process; None: the current day.

    Raises:
        ConfigError: the limit is no amount; the price table cannot be read; or there is a limit, and a model has no
            price or no bounds.
    """
    limit = _limit(options.max_cost)
    shards = 1 if options.shard is None else options.shard.count
    if limit is not None:
        limit //= shards
    billed = {name: billing for name, worker in workers.items() if (billing := worker.billing()) is not None}
    if not billed:
        return Budget(None, {}, limit, shards)
    table = read_prices(options.prices)
    priced = {name: (billing, table.price(billing.model)) for name, billing in billed.items()}
    for billing, price in priced.values():
        layer = table.layer_of(billing.model)
        if layer is not None and not _free(price) and layer.days_old(today or date.today()) > OLD_DAYS:
            _warn_of_old_prices(layer.source, layer.date)
    if limit is not None:
        for billing, price in priced.values():
            _check_bounded(billing, price, table)
    charging = {name: (billing, price) for name, (billing, price) in priced.items() if not _free(price)}
    return Budget(table, charging, limit, shards)


@cache  # so that a process warns once of each file
def _warn_of_old_prices(source: str, read: str) -> None:
    log.warning(
        "the prices in %s were read on %s, more than %d days ago: compare them with what you are charged, and give"
        " those that changed as prices= (or --prices)",
        source, read, OLD_DAYS,
    )  # fmt: skip


def _free(price: Price | None) -> bool:
    return price is not None and price.free


def _limit(max_cost: float | None) -> int | None:
    given, where = (max_cost, "max_cost") if max_cost is not None else (os.environ.get(VARIABLE), VARIABLE)
    if given is None or given == "":
        return None
    try:
        amount = float(given)
    except (TypeError, ValueError):
        amount = math.nan
    if not 0 <= amount < math.inf:
        raise ConfigError(f"{where} is {given!r}: give an amount of money from 0, such as 25 or 0.5")
    return round(amount * NANO)


def _check_bounded(billing: Billing, price: Price | None, table: PriceTable) -> None:
    if price is None:
        raise ConfigError(
            f"max_cost needs the price of {billing.model!r}, which is not in {table.source}. Give a file as prices= (or"
            f" --prices) that has it, such as\nmodels:\n  {billing.model}: {{input: 0.30, output: 2.50,"
            f" most_input: 65536, most_output: 8192}}\nfor a million tokens, or {{image: 0.04}} for a picture, or"
            f" {{free: true}} for a server of your own. The form is explained in {SHIPPED}"
        )
    if missing := price.unbounded(most_output=billing.most_output):
        raise ConfigError(
            f"max_cost needs to know what a request to {billing.model!r} can cost at most: add {missing} (tokens) to"
            f" its line in {table.source}"
        )

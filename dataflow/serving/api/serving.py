"""The serving over an OpenAI-compatible address; the public servings derive from it and name its settings.

A call passes through `fleet`, which chooses the address; `connection`, which knows the address's quirks; `wire` and a
dialect, which make the body; `http.endpoint`, which moves the bytes; and `replies`, which makes the answer. Slow work
runs in threads: to read and encode pictures, to decode replies and to save pictures. The event loop only moves bytes.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Self
from urllib.parse import urlsplit

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.retry import RetryPolicy
from dataflow.core.words import count_of
from dataflow.core.worker import Batching, Billing, Limits
from dataflow.errors import ConfigError
from dataflow.io.decode import BadPicture
from dataflow.io.header import header_size
from dataflow.serving.api.batch_connection import ROWS_AHEAD, WIDTH_IN_BATCHES, check_batches, open_batches
from dataflow.serving.api.batches.contract import Intervals
from dataflow.serving.api.batches.retrying import POLICY
from dataflow.serving.api.billing import billing_of
from dataflow.serving.api.connection import Connection, connect
from dataflow.serving.api.discovery import Discovery, Patience
from dataflow.serving.api.failures.confirmation import Confirmation
from dataflow.serving.api.fleet import Fleet, Outcome, request_kind
from dataflow.serving.api.own_server import IDENTITIES
from dataflow.serving.api.presence import UNSERVED_SECONDS, Presence
from dataflow.serving.api.providers import Provider
from dataflow.serving.api.settings import ADDRESS_VARIABLE, ApiSettings
from dataflow.serving.api.wire import count_engines, wires_of
from dataflow.serving.base import ServingABC
from dataflow.utils.files import sha256_hex
from dataflow.utils.network import check_connection_settings
from dataflow.utils.open_files import connections_allowed, more_files

log = logging.getLogger(__name__)


class ApiServing(ServingABC):
    """Answers requests over one address, or over several that serve the same model.

    The key is read from the environment when it is needed, and not kept.

    Args:
        settings: all of them.

    Attributes:
        settings: as given.
        retry: how often and how soon the pool tries a failed request again.
        batch_intervals: how often batches are looked at, and how long they may take.
        first_contact: seconds in which an address must take its first connection.
        unserved_for: seconds with no reply but HTTP 503, after which the list of models is read.
        patience: for how long servers of one's own are asked what they are.
        today: gives the date by which models are retired.
        former_models: the models that earlier versions of a pipeline used where the user named none; their answers
            count in a cache.
    """

    retry = RetryPolicy(retries=8)  # rate limits count by the minute, so the waits must add up to more than one
    batch_intervals = Intervals()
    first_contact = 5.0
    unserved_for = UNSERVED_SECONDS
    patience = Patience()
    today: Callable[[], date] = date.today
    former_models: Sequence[str] = ()

    def __new__(cls, *_: object, on_ambiguous: str | None = None, **__: object) -> Self:
        """Refuse `on_ambiguous`, a parameter of earlier versions, in words that say what to do.

        Raises:
            ConfigError: the parameter is given.
        """
        if on_ambiguous is not None:
            raise ConfigError(
                f"on_ambiguous={on_ambiguous!r}: leave it out. A request that may have been paid without an answer"
                " is asked once more, and counted"
            )
        return super().__new__(cls)

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self.limits = Limits(*settings.widths(0), per_minute=settings.requests_per_minute or math.inf)
        self.makes = "text" if settings.image_io is None else "image"
        self.save_path = "" if settings.image_io is None else settings.image_io.save_path
        self._confirmation = Confirmation(repr(self))
        self._presence = Presence(settings.model, strict=settings.strict_model, batch=settings.batch)
        self._warned: set[str] = set()  # hosts whose missing encryption a warning has named
        # When the first connection failed, in seconds of the loop; infinite: an address took one; None: none was tried.
        self._unreached_since: float | None = None
        self._discovery = Discovery()
        self._fleet: Fleet[Connection] | None = None
        if settings.batch:
            self.limits = Limits(width=WIDTH_IN_BATCHES, lookahead=ROWS_AHEAD)
            self.retry = POLICY
        self._most_a_minute = self.limits.per_minute

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model {self.settings.model!r} at {self._hosts()})"

    def __str__(self) -> str:
        return f"{self.settings.model} at {self._hosts()}"

    def _hosts(self) -> str:
        first, *further = str(self.settings.address or "").split(",")
        host = urlsplit(first.strip()).hostname or ADDRESS_VARIABLE
        return f"{host} and {len(further)} more" if further else host

    def fingerprint(self) -> Mapping[str, JSON]:
        """The model and the settings that change its answers; after `prepare` also what a server's edits ask for."""
        return self._identity(self.settings.provider or next(iter(self._discovery.profiles.values()), IDENTITIES[0]))

    def other_fingerprints(self) -> Sequence[Mapping[str, JSON]]:
        """The fingerprints under which answers of the same model may stand in a cache.

        They are those of the model at other kinds of servers, since an address may change, and those of former models.
        """
        now, plain = self.fingerprint(), self._identity(self.settings.provider or IDENTITIES[0])
        identities = [] if self.settings.provider is not None else [*map(self._identity, IDENTITIES)]
        identities += [{**plain, "model": name} for name in self.former_models]  # never of an engine
        return [identity for identity in identities if identity != now]

    def _identity(self, provider: Provider) -> dict[str, JSON]:
        settings, given = self.settings, dict(self.settings.extra_body)
        edits = settings.image_io is not None and settings.task != "text2image"
        added = provider.edits_ask(given) if edits else {}
        return {"model": settings.model, **settings.sampling, **added, "extra_body": given}

    def provenance(self) -> Mapping[str, JSON]:
        """The model's name and the hosts of the addresses, without paths, in which some gateways want a key."""
        servers: list[JSON] = [urlsplit(wire.address).netloc for wire in wires_of(self.settings)]
        return {"model": self.settings.model, "servers": servers}

    def billing(self) -> Billing:
        """The model whose price holds, and the bounds of what a request may cost."""
        return billing_of(self.settings)

    def prepare(self) -> None:
        """Check model, address and key, without a request that costs; wait for a server of one's own to come up.

        Raises:
            ConfigError: model, address, key, or a proxy or certificate of the environment is missing or wrong; or no
                server came up in time.
        """
        self._prepare(waits=True)

    def rehearse(self) -> None:
        """As `prepare`, without the wait for a server that is not up."""
        self._prepare(waits=False)

    def _prepare(self, *, waits: bool) -> None:
        if not self.settings.model:
            raise ConfigError("no model_name: name the model as the provider does")
        self._presence.begin(self.today())
        wires = wires_of(self.settings)
        keys = [wire.read_key() for wire in wires]
        for wire in wires:
            check_connection_settings(wire.host)
        wires = self._discovery.find_out(wires, self.patience, waits=waits)
        if self._discovery.profiles:
            self._unreached_since = math.inf
        if self.settings.batch:
            check_batches(wires)
        else:
            engines = count_engines(wires)
            self.batching = Batching(groups=engines > 0)
            width, at_first = self._widths(engines)
            account = (tuple(wire.address for wire in wires), sha256_hex(keys[0].encode()), self.settings.model)
            drawn = engines if self._discovery.draws_one_edit_at_a_time else 0
            limits = Limits(width, at_first, account=account, drawn_at_once=drawn)
            self.limits = replace(limits, per_minute=self.limits.per_minute)
        for wire in wires:
            if wire.address.startswith("http://") and not wire.is_own_server and wire.host not in self._warned:
                self._warned.add(wire.host)
                log.warning("key and pictures travel unencrypted to %s: use https if it is offered", wire.host)

    def mask_problem(self) -> str:
        """Why a row's mask does not count at one of the addresses; empty: it counts at all of them."""
        wires = wires_of(self.settings, self._discovery.profiles)
        problem = next((problem for wire in wires if (problem := wire.mask_problem)), "")
        if problem and self._discovery.silent and self.settings.dialect is None:
            return f"{' and '.join(self._discovery.silent)} did not say what it is (is it up?), and else {problem}"
        return problem

    def batch_key(self, request: Request) -> Hashable:
        """The size of the picture to be made, as far as it is known, and the number of input pictures.

        The pool sends requests with one key one after another, since engines draw requests of one size together and in
        order of arrival.
        """
        if request.makes == "text":
            return None
        images = request.all_images()
        try:
            size = header_size(images[0]) if images and request.size is None else request.size
        except (OSError, BadPicture):
            return None
        return size, len(images)

    async def setup(self) -> None:
        """Open the connections; nothing is sent yet."""
        wires = wires_of(self.settings, self._discovery.profiles)
        connections: Sequence[Connection]
        if self.settings.batch:
            connections = [await open_batches(wires[0], self.batch_intervals)]
        else:
            width, _ = self._widths(count_engines(wires))
            self.limits = replace(self.limits, width=width)
            connections = await connect(wires, width=width)
        self._fleet = Fleet(
            {connection.wire.address: connection for connection in connections},
            width=self.limits.width // len(connections),
            probe=self.retry.probe,
            patience=self.settings.patience if self.batching.groups else math.inf,
        )
        try:
            await self._presence.check(connections)
        except ConfigError:
            await self.close()
            raise
        self._set_width(self._fleet)

    def _set_width(self, fleet: Fleet[Connection]) -> None:
        """Let the pool have as many requests in flight as keep those replicas busy that answer."""
        self.limits = replace(self.limits, width=1 if self._presence.one_at_a_time else fleet.width)

    def _widths(self, engines: int) -> tuple[int, int]:
        """The widths of the settings, within the number of connections that this process may have open."""
        most, at_first = self.settings.widths(engines)
        allowed = connections_allowed()
        if allowed < most:
            log.info("%s in flight at most: %s", count_of(allowed, "request"), more_files())
        return min(most, allowed), min(at_first, allowed)

    def holds(self, job: Job) -> bool:
        """Whether a batch of an earlier run holds the request."""
        replicas = self._fleet.replicas if self._fleet is not None else ()
        return any(replica.connection.holds(job.id) for replica in replicas)

    def let_go(self) -> None:
        """End the wait of every request in a batch, while batches go on at the provider; each failure says so."""
        for replica in self._fleet.replicas if self._fleet is not None else ():
            replica.connection.let_go()

    async def close(self) -> None:
        """Close the connections."""
        fleet, self._fleet = self._fleet, None
        for replica in fleet.replicas if fleet is not None else ():
            await replica.connection.close()

    def recover(self, job: Job) -> Answer | None:
        """The pictures of a job that a killed run saved without journalling them; None: there are none."""
        if job.request.makes != "image" or self.settings.image_io is None:
            return None
        pictures = self.settings.image_io.find(job.id)
        return Answer(pictures=pictures) if pictures else None

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer for each job; a failure in it is confirmed, so that the pool may act on it."""
        return [await self._answer(job) for job in batch]

    async def _answer(self, job: Job) -> Answer:
        """Send a job to the fleet, and decide what its failure means for the run."""
        if (fleet := self._fleet) is None:
            raise RuntimeError("call before setup")
        sent_at = self._confirmation.halvings
        answer, reached = await fleet.ask(request_kind(job.request), job.id, partial(self._ask, job))
        connections = [replica.connection for replica in fleet.replicas]
        now = asyncio.get_running_loop().time()
        failure = await self._presence.settle(answer.error, connections, now, self.unserved_for)
        self._set_width(fleet)
        if reached is not None and self._is_nobody_there(reached=reached) and failure is not None:
            failure = failure.last_word("fatal")
        elif failure is not None and self._unreached_since not in (None, math.inf):
            # While no address has taken a connection, the pool must not pause: the run stops before a pause would end.
            failure = replace(failure, outage=False)
        failure = self._confirmation.settle(job.id, sent_at, failure)
        return answer if failure is answer.error else replace(answer, error=failure)

    async def _ask(self, job: Job, connection: Connection) -> Outcome:
        outcome = await self._discovery.identify(connection) or await connection.ask(job)
        self.limits = replace(self.limits, per_minute=min(connection.stated_rate, self._most_a_minute))
        return outcome

    def _is_nobody_there(self, *, reached: bool) -> bool:
        """Whether no address took a connection in the time for the first one: then one is mistyped, and none is down.

        Args:
            reached: whether an address took a connection for the request that has just ended.
        """
        if reached:
            self._unreached_since = math.inf
        elif self._unreached_since is None:
            self._unreached_since = asyncio.get_running_loop().time()
        return (
            self._unreached_since is not None
            and asyncio.get_running_loop().time() - self._unreached_since > self.first_contact
        )

"""One address of a serving, open: it is asked one job after another, request by request or in batch files."""

import asyncio
import logging
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from dataflow.core.records import JSON, Answer, Job
from dataflow.errors import Failure, RowError
from dataflow.io.image import ImageIO
from dataflow.io.masks import read_mask
from dataflow.serving.api.failures.waits import stated_rate
from dataflow.serving.api.fleet import Outcome
from dataflow.serving.api.http.body import LargeBuffers
from dataflow.serving.api.http.endpoint import Endpoint
from dataflow.serving.api.manners import Manners
from dataflow.serving.api.model_list import listed_models
from dataflow.serving.api.replies import Replies
from dataflow.serving.api.wire import Wire
from dataflow.serving.dialects.reply import Post

log = logging.getLogger(__name__)


class Connection(ABC):
    """One address, open.

    Args:
        wire: how it is asked.

    Attributes:
        wire: as given.
        stated_rate: requests a minute that the address says it takes; endless where it says nothing.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.stated_rate = math.inf
        self._replies = Replies(wire)
        self._images = wire.settings.image_io or ImageIO(save_path=os.devnull)
        self._manners = Manners(wire.provider.engine_fields)

    async def ask_as(self, wire: Wire) -> None:
        """Ask otherwise from now on, at the same address."""
        await self._replies.close()
        self.wire, self._replies = wire, Replies(wire)
        self._manners = Manners(wire.provider.engine_fields)

    async def ask(self, job: Job) -> Outcome:
        """The answer, and whether the address took the connection; None if no request of its own was sent."""
        if problem := self.wire.problem(job.request):
            return Answer(error=Failure("fatal", problem)), None
        try:
            return await self._ask(job)
        except RowError as error:
            return Answer(error=Failure("retry", str(error), retries=0, unsent=True)), None

    @abstractmethod
    async def _ask(self, job: Job) -> Outcome:
        """As `ask`, of a job that can be asked here.

        Raises:
            RowError: a picture of the request cannot be read.
        """

    def _encode(self, job: Job, extras: Mapping[str, JSON]) -> Post:
        mask, encode_mask = job.request.mask, self.wire.dialect.encode_mask
        pictures = {
            path: encode_mask(read_mask(path, facts))
            if path == mask and encode_mask is not None
            else self._images.encoded(path, facts)
            for path, facts in job.pictures().items()
        }
        return self.wire.encode(self.wire.sized(job), pictures, extras)

    async def listed_models(self) -> frozenset[str] | None:
        """The names of the models that the address lists; None where it lists none."""
        return None

    def holds(self, request_id: str) -> bool:
        """Whether the provider has the request from before, to be answered once."""
        return False

    def let_go(self) -> None:
        """The run stops: end what waits here and goes on at the provider."""

    async def close(self) -> None:
        """Close what is open."""
        await self._replies.close()


class HttpConnection(Connection):
    """An address that is asked request by request.

    Args:
        wire: how it is asked.
        endpoint: its connections.
    """

    def __init__(self, wire: Wire, endpoint: Endpoint) -> None:
        super().__init__(wire)
        self._endpoint = endpoint

    async def _ask(self, job: Job) -> Outcome:
        while True:
            asked = self._manners.asked(job)
            extras = self._manners.extras(self.wire.extras(asked, self._manners.refused), job)
            post = self._manners.post(await asyncio.to_thread(self._encode, asked, extras))
            async with self._endpoint.send(post) as received:
                self.stated_rate = stated_rate(received.headers)
                news = self._manners.learn(received, extras, post, job, asked=self.wire.asked(post.path))
                if not news:
                    return await self._replies.answer(job, received, post.path), received.on != "unconnected"
            unguided = self.wire.provider.edit_fields.keys() & extras.keys() & self._manners.refused
            level = logging.WARNING if unguided else logging.INFO
            more = ", so that the further edits of this run are drawn without guidance" if unguided else ""
            log.log(level, "%s is asked otherwise from now on: %s%s", self.wire.address, news, more)

    async def listed_models(self) -> frozenset[str] | None:
        """As the address says now, which costs nothing."""
        return await listed_models(self.wire.address, self.wire.headers(), self.wire.dialect.list_path)

    async def close(self) -> None:
        """Close the connections."""
        await super().close()
        await self._endpoint.close()


async def connect(wires: Sequence[Wire], *, width: int) -> list[HttpConnection]:
    """A connection to each of several addresses, which share the memory for large replies; nothing is sent yet.

    Args:
        wires: how each is asked.
        width: most requests in flight.

    Raises:
        ConfigError: there is no key.
    """
    large = LargeBuffers()
    return [await _connect(wire, width, large) for wire in wires]


async def _connect(wire: Wire, width: int, large: LargeBuffers) -> HttpConnection:
    endpoint = await asyncio.to_thread(
        Endpoint,
        wire.address,
        wire.headers(),
        secret=wire.read_key(),
        width=width,
        timeout=wire.settings.timeout,
        connect=wire.settings.connect_timeout,
        large=large,
    )
    return HttpConnection(wire, endpoint)

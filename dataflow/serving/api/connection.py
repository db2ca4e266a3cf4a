"""An open connection to one address of a serving, over which jobs go one by one or in batch files."""

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
from dataflow.serving.api.model_list import listed_models
from dataflow.serving.api.quirks import Quirks
from dataflow.serving.api.replies import Replies
from dataflow.serving.api.wire import Wire
from dataflow.serving.dialects.reply import Post

log = logging.getLogger(__name__)


class Connection(ABC):
    """An open connection to one address.

    Args:
        wire: how requests to the address look.

    Attributes:
        wire: as given, or as `change_wire` set it.
        stated_rate: requests a minute that the address says it takes; infinite: it does not say.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.stated_rate = math.inf
        self._replies = Replies(wire)
        self._images = wire.settings.image_io or ImageIO(save_path=os.devnull)
        self._quirks = Quirks(wire.provider.engine_fields)

    async def change_wire(self, wire: Wire) -> None:
        """Send requests to the same address in another form from now on.

        Args:
            wire: how they look.
        """
        await self._replies.close()
        self.wire, self._replies = wire, Replies(wire)
        self._quirks = Quirks(wire.provider.engine_fields)

    async def ask(self, job: Job) -> Outcome:
        """Answer a job, its failure being a value; `Outcome` says what comes back.

        Args:
            job: with one request.
        """
        if problem := self.wire.problem(job.request):
            return Answer(error=Failure("fatal", problem)), None
        try:
            return await self._ask(job)
        except RowError as error:
            return Answer(error=Failure("retry", str(error), retries=0, unsent=True)), None

    @abstractmethod
    async def _ask(self, job: Job) -> Outcome:
        """As `ask`, for a job that the address can answer.

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
        """The names of the models that the address lists; None: it has no list that can be read."""
        return None

    def holds(self, request_id: str) -> bool:
        """Whether the provider already has this request, sent by an earlier run, and will answer it."""
        return False

    def let_go(self) -> None:
        """End the wait of requests that go on at the provider, since the run stops."""

    async def close(self) -> None:
        """Close the connections."""
        await self._replies.close()


class HttpConnection(Connection):
    """An address to which each job goes as an HTTP request of its own.

    Args:
        wire: how requests to the address look.
        endpoint: sends them.
    """

    def __init__(self, wire: Wire, endpoint: Endpoint) -> None:
        super().__init__(wire)
        self._endpoint = endpoint

    async def _ask(self, job: Job) -> Outcome:
        while True:
            adapted = self._quirks.adapt_job(job)
            extras = self._quirks.adapt_extras(self.wire.extras(adapted, self._quirks.refused), job)
            post = self._quirks.adapt_post(await asyncio.to_thread(self._encode, adapted, extras))
            async with self._endpoint.send(post) as received:
                self.stated_rate = stated_rate(received.headers)
                learnt = self._quirks.learn(received, extras, post, job, target=self.wire.target(post.path))
                if not learnt:
                    return await self._replies.answer(job, received, post.path), received.ending != "unconnected"
            unguided = self.wire.provider.edit_fields.keys() & extras.keys() & self._quirks.refused
            level = logging.WARNING if unguided else logging.INFO
            consequence = ", so that the further edits of this run are drawn without guidance" if unguided else ""
            log.log(level, "%s is asked otherwise from now on: %s%s", self.wire.address, learnt, consequence)

    async def listed_models(self) -> frozenset[str] | None:
        """As `Connection.listed_models`, by a GET that costs nothing."""
        return await listed_models(self.wire.address, self.wire.headers(), self.wire.dialect.list_path)

    async def close(self) -> None:
        """Close the connections."""
        await super().close()
        await self._endpoint.close()


async def connect(wires: Sequence[Wire], *, width: int) -> list[HttpConnection]:
    """Open a connection to each of several addresses; nothing is sent yet.

    The connections share the memory for large replies.

    Args:
        wires: one for each address.
        width: the most requests in flight at each address.

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

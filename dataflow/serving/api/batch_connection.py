"""An open connection to an address whose requests go into batch files, and the settings that batches need."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from dataflow.core.records import Answer, Job
from dataflow.errors import AnswerError, ConfigError, Failure
from dataflow.serving.api.batches.contract import BatchApi, Intervals
from dataflow.serving.api.batches.creating import BatchContext
from dataflow.serving.api.batches.gemini import GeminiBatches
from dataflow.serving.api.batches.openai import OpenAIBatches
from dataflow.serving.api.batches.queue import BatchQueue
from dataflow.serving.api.batches.records import Records
from dataflow.serving.api.batches.retrying import in_batch
from dataflow.serving.api.batches.transport import Transport
from dataflow.serving.api.connection import Connection
from dataflow.serving.api.failures.fields import refused_fields
from dataflow.serving.api.fleet import Outcome
from dataflow.serving.api.quirks import is_policy
from dataflow.serving.api.wire import Wire
from dataflow.serving.dialects.dialect import BatchFiles

IN_BATCH = "batch"  # in an answer's usage: the request went in a batch file, so its price is another one
WIDTH_IN_BATCHES = 50_000  # requests that may wait for their batches
# A batch takes hours, so each should hold many rows; a row that waits takes 12 KB (measured 2026-11-23).
ROWS_AHEAD = 30_000
_APIS: Mapping[BatchFiles, Callable[[Transport], BatchApi]] = {"openai": OpenAIBatches, "gemini": GeminiBatches}


def check_batches(wires: Sequence[Wire]) -> None:
    """Refuse settings that batch files cannot serve, before anything is sent.

    Args:
        wires: one for each address.

    Raises:
        ConfigError: a setting and batch files exclude each other; its message says what to change.
    """
    wire, *further = wires
    if wire.settings.image_io is None:
        raise ConfigError("batch=True keeps its records beside the pictures: give image_io=ImageIO(save_path=...)")
    if wire.settings.stream:
        raise ConfigError("batch=True has nothing to stream: leave out send_request_stream")
    if further:
        raise ConfigError("batch=True works at one address: give one api_url")
    if wire.dialect.batch_files is None:
        raise ConfigError(f"the {wire.dialect.name} API has no batch files: leave out batch")
    if wire.provider.batch_problem:
        raise ConfigError(wire.provider.batch_problem)


class BatchConnection(Connection):
    """An address whose requests go into batch files.

    Args:
        wire: how requests to the address look.
        queue: puts requests into files, and hands out their answers.
    """

    def __init__(self, wire: Wire, queue: BatchQueue) -> None:
        super().__init__(wire)
        self._queue = queue

    async def _ask(self, job: Job) -> Outcome:
        extras = self.wire.extras(job, self._quirks.refused)
        try:
            async with self._queue.send(job.id, partial(self._encode, job, extras)) as (received, path):
                refused = refused_fields(received.status, received.body, extras)
                if refused and not is_policy(received, self.wire.target(path)):
                    self._quirks.refused |= refused
                    reason = f"{self.wire.address} does not take {', '.join(sorted(refused))}"
                    return Answer(error=Failure("retry", reason, retries=len(extras))), None
                answer = await self._replies.answer(job, received, path)
        except AnswerError as error:
            return Answer(error=error.failure), None
        if answer.error is not None:
            return replace(answer, error=in_batch(answer.error)), None
        return replace(answer, usage={**answer.usage, IN_BATCH: 1.0}), None

    def holds(self, request_id: str) -> bool:
        """Whether a batch holds the request."""
        return self._queue.holds(request_id)

    def let_go(self) -> None:
        """End the wait of every request, while batches go on at the provider; each failure says so."""
        self._queue.let_go()

    async def close(self) -> None:
        """Stop following the batches, and close the connections."""
        await self._queue.close()
        await super().close()


async def open_batches(wire: Wire, intervals: Intervals) -> BatchConnection:
    """Open a connection whose requests go into batch files, with the batches that earlier runs left at the provider.

    Args:
        wire: how requests to the address look.
        intervals: how often batches are looked at, and how long things may take.

    Raises:
        ConfigError: the record of a batch of an earlier run cannot be read.
    """
    image_io, files = wire.settings.image_io, wire.dialect.batch_files
    assert image_io is not None
    assert files is not None
    owner = {"address": wire.address, "format": wire.dialect.name, "model": wire.settings.model}
    transport = await asyncio.to_thread(Transport, wire.address, wire.headers(), wire.target)
    records = Records(image_io.save_path, owner)
    context = BatchContext(_APIS[files](transport), records, intervals, wire.target("/batches"))
    queue = BatchQueue(context, transport, wire.read_key())
    try:
        await queue.open()
    except BaseException:
        await queue.close()
        raise
    return BatchConnection(wire, queue)

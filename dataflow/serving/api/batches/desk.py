"""All batches of one serving: a request joins the file in the making, or the batch of an earlier run that has it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.batches.batch import Batch
from dataflow.serving.api.batches.creating import NeverCreated, Surroundings
from dataflow.serving.api.batches.draft import Draft
from dataflow.serving.api.batches.transport import Transport
from dataflow.serving.api.failures.attempts import Attempt
from dataflow.serving.api.http.endpoint import SECRET_LENGTH
from dataflow.serving.dialects.reply import Post
from dataflow.utils.held import not_stored

log = logging.getLogger(__name__)

AT_ONCE = 8  # answers in work: each may hold pictures of many megabytes
_LATER = "not sent: the run is stopping; run the same command again to go on"
_UNSURE = "its batch is just being sent: run the same command again, which looks for it before it sends anything"


class BatchDesk:
    """Puts requests into batches and hands out their answers. Lives on the event loop.

    Args:
        around: what all batches share.
        transport: to be closed with it.
        secret: the key, to be cut out of what is kept.
    """

    def __init__(self, around: Surroundings, transport: Transport, secret: str) -> None:
        self._around = around
        self._transport = transport
        self._secret = secret.encode() if len(secret) >= SECRET_LENGTH else b""
        self._of: dict[str, Batch] = {}
        self._batches: set[Batch] = set()
        self._drafts: dict[str, Batch] = {}  # by path: all requests of a file go to one
        self._writing = asyncio.Lock()
        self._working = asyncio.Semaphore(AT_ONCE)
        self._coming = self._handed_out = 0
        self._stops = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._began: dict[str, float] = {}
        self._teller: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Learn what earlier runs left at the provider.

        Raises:
            ConfigError: a record cannot be read.
        """
        for record in await asyncio.to_thread(self._around.records.load):
            batch = Batch(self._around, record=record)
            self._batches.add(batch)
            self._of.update(dict.fromkeys(batch.open, batch))
        if self._batches:
            told = sum(len(batch.open) for batch in self._batches)
            host = self._around.asked.host
            log.info("%d batches of earlier runs at %s hold %d requests", len(self._batches), host, told)
        self._teller = asyncio.get_running_loop().create_task(self._tell())

    @asynccontextmanager
    async def send(self, request_id: str, encode: Callable[[], Post]) -> AsyncIterator[tuple[Attempt, str]]:
        """How a request ended, and the path it went to, once its batch has; what the block returns is then journalled.

        Args:
            request_id: its id.
            encode: makes the request; runs in a thread, and only if no batch holds this id.

        Raises:
            RowError: a picture of the request cannot be read.
            AnswerError: the request was not run, or nothing came of its batch.
            NotStored: the disk does not take a file.
        """
        batch = await self._batch_of(request_id, encode)
        self._handed_out += 1
        try:
            async with self._working:
                assert batch.answers is not None
                line = await asyncio.to_thread(batch.answers.line, request_id, self._secret)
                path = batch.record.path if batch.record is not None else ""
                if line is not None and line.attempt is not None and line.request_id == request_id:
                    yield line.attempt, path
        finally:
            self._handed_out -= 1
        # The pool journals before the loop comes round to this.
        asyncio.get_running_loop().call_soon(self._claim, batch, request_id)
        if line is None or line.attempt is None or line.request_id != request_id:
            raise AnswerError(batch.missing())

    def let_go(self) -> None:
        """The run stops: what waits learns that its batch goes on, and that the same command picks it up."""
        self._stops += 1
        for path in list(self._drafts):
            batch = self._drafts.pop(path)
            self._timers.pop(path).cancel()
            batch.let_go(_LATER)
            self._forget(batch)
            if batch.draft is not None:
                batch.draft.close()
        host, told = self._around.asked.host, 0
        for batch in self._batches:
            if batch.runs and batch.record is not None:
                reason = f"batch {batch.record.batch} goes on at {host}: run the same command again to pick it up"
                told += batch.let_go(reason)
            else:
                batch.let_go(_UNSURE)
        if told:
            count = sum(batch.runs for batch in self._batches)
            again = "run the same command again to pick them up"
            log.warning("%d requests go on in %d batches at %s: %s", told, count, host, again)

    async def close(self) -> None:
        """Stop looking at batches; they go on at the provider."""
        self.let_go()
        if self._teller is not None:
            self._teller.cancel()
        for batch in list(self._batches):
            await batch.close()
        await self._transport.close()

    async def _batch_of(self, request_id: str, encode: Callable[[], Post]) -> Batch:
        """The batch that has ended and holds this request, or held it."""
        while True:
            batch = self._of.get(request_id)
            if batch is None:
                batch = await self._enlist(request_id, encode)
            elif batch.over:
                self._forget(batch)
                continue
            elif batch.record is not None:
                batch.start()
            try:
                await batch.ended(request_id)
                return batch
            except NeverCreated:
                self._forget(batch)
            except AnswerError:
                if batch.over:
                    self._forget(batch)
                raise

    async def _enlist(self, request_id: str, encode: Callable[[], Post]) -> Batch:
        """Put the request into the file in the making; one at a time, since their pictures are in memory."""
        stops = self._stops
        self._coming += 1
        try:
            async with self._writing:
                if stops != self._stops:
                    raise AnswerError(Failure("retry", _LATER, retries=0))
                path, line = await asyncio.to_thread(self._line, request_id, encode)
                if stops != self._stops:
                    raise AnswerError(Failure("retry", _LATER, retries=0))
                return self._add(request_id, path, line)
        finally:
            self._coming -= 1

    def _line(self, request_id: str, encode: Callable[[], Post]) -> tuple[str, bytes]:
        post = encode()
        return post.path, self._around.api.encode_line(request_id, post)

    def _add(self, request_id: str, path: str, line: bytes) -> Batch:
        api = self._around.api
        if len(line) > api.most_bytes:
            reason = f"a request of {len(line):,} bytes: a batch file may have {api.most_bytes:,}"
            raise AnswerError(Failure("retry", reason, retries=0))
        batch = self._drafts.get(path)
        if batch is not None and batch.draft is not None and batch.draft.size + len(line) > api.most_bytes:
            self._send_off(path)
            batch = None
        try:
            if batch is None:
                batch = Batch(self._around, draft=Draft(self._around.records.folder, path))
                self._batches.add(batch)
                self._drafts[path], self._began[path] = batch, time.monotonic()
            assert batch.draft is not None
            batch.draft.add(request_id, line)
        except OSError as error:
            raise not_stored(error) from error
        batch.open.add(request_id)
        self._of[request_id] = batch
        if len(batch.draft.ids) >= api.most_requests:
            self._send_off(path)
        else:
            self._wait_for_company(path)
        return batch

    def _wait_for_company(self, path: str) -> None:
        rhythm = self._around.rhythm
        if path in self._timers:
            self._timers[path].cancel()
        left = self._began[path] + rhythm.longest - time.monotonic()
        wait = max(0.0, min(rhythm.company, left))
        self._timers[path] = asyncio.get_running_loop().call_later(wait, self._time_is_up, path)

    def _time_is_up(self, path: str) -> None:
        # Each answer makes room for a new row: while some are handed out, more company is on its way.
        if (self._coming or self._handed_out) and time.monotonic() - self._began[path] < self._around.rhythm.longest:
            self._wait_for_company(path)
        else:
            self._send_off(path)

    def _send_off(self, path: str) -> None:
        if timer := self._timers.pop(path, None):
            timer.cancel()
        self._drafts.pop(path).start()

    def _claim(self, batch: Batch, request_id: str) -> None:
        """The answer is journalled; a request that failed may go into another batch."""
        if self._of.get(request_id) is batch:
            del self._of[request_id]
        try:
            batch.claim(request_id)
        except OSError as error:  # the next run fetches the answer again, which costs nothing
            log.warning("cannot note what was taken from a batch: %s", error)
        if batch.over:
            self._batches.discard(batch)

    def _forget(self, batch: Batch) -> None:
        """Nothing waits for this batch any more, and nothing can."""
        self._batches.discard(batch)
        for request_id in batch.open:
            if self._of.get(request_id) is batch:
                del self._of[request_id]
        batch.open = set()

    async def _tell(self) -> None:
        """Say every few minutes how far the batches are."""
        while True:
            await asyncio.sleep(self._around.rhythm.tell)
            running = [batch for batch in self._batches if batch.runs]
            if not running:
                continue
            oldest = min(batch.record.began for batch in running if batch.record is not None)
            log.warning(
                "%d batches at %s: %d of %d requests done, %d failed; the oldest is %.1f hours old, each may take %s",
                len(running),
                self._around.asked.host,
                sum(batch.look.done for batch in running),
                sum(batch.look.total or len(batch.open) for batch in running),
                sum(batch.look.failed for batch in running),
                (time.time() - oldest) / 3600,
                self._around.api.window,
            )

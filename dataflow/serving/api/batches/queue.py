"""All batches of one serving: a request joins a file, or waits for the batch of an earlier run that holds it.

Requests for one path go into one file. The file is submitted when it is full, or when no request has joined it for a
while.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dataflow.core.notebook import same_again
from dataflow.core.words import count_of
from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.batches.batch import Batch
from dataflow.serving.api.batches.creating import BatchContext, NeverCreated
from dataflow.serving.api.batches.draft import Draft
from dataflow.serving.api.batches.transport import Transport
from dataflow.serving.api.failures.attempts import Attempt
from dataflow.serving.api.http.endpoint import MIN_SECRET_LENGTH
from dataflow.serving.dialects.reply import Post
from dataflow.utils.disk_retry import not_stored

log = logging.getLogger(__name__)

ANSWERS_AT_ONCE = 8  # in work: each may hold pictures of many megabytes
_NOT_SENT = "not sent: the run is stopping; the next run goes on"
_BEING_SENT = "its batch is just being sent: the next run looks for it before it sends anything"


class BatchQueue:
    """Puts requests into batches and hands out their answers. Lives on the event loop.

    Args:
        context: what all batches share.
        transport: is closed with the queue.
        secret: the key, which is cut out of the answers.
    """

    def __init__(self, context: BatchContext, transport: Transport, secret: str) -> None:
        self._context = context
        self._transport = transport
        self._secret = secret.encode() if len(secret) >= MIN_SECRET_LENGTH else b""
        self._batch_with: dict[str, Batch] = {}  # id of an unanswered request → the batch that holds the request
        self._batches: set[Batch] = set()
        self._drafts: dict[str, Batch] = {}  # path → the batch for it that is not submitted yet
        self._writing = asyncio.Lock()
        self._working = asyncio.Semaphore(ANSWERS_AT_ONCE)
        self._being_added = 0  # requests on their way into a file
        self._in_work = 0  # answers that the caller of `send` holds
        self._stops = 0  # how often the run was stopped
        self._timers: dict[str, asyncio.TimerHandle] = {}  # path → the timer that submits its draft
        self._began: dict[str, float] = {}  # path → when its draft got the first request, in monotonic seconds
        self._reporter: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Read the records of the batches that earlier runs left at the provider.

        Raises:
            ConfigError: a record cannot be read.
        """
        for record in await asyncio.to_thread(self._context.records.load):
            batch = Batch(self._context, record=record)
            self._batches.add(batch)
            self._batch_with.update(dict.fromkeys(batch.unanswered, batch))
        if self._batches:
            held = sum(len(batch.unanswered) for batch in self._batches)
            sizes = count_of(held, "request"), count_of(len(self._batches), "batch", "batches")
            log.info("%s in %s of earlier runs at %s", *sizes, self._context.target.host)
        self._reporter = asyncio.get_running_loop().create_task(self._report())

    @asynccontextmanager
    async def send(self, request_id: str, encode: Callable[[], Post]) -> AsyncIterator[tuple[Attempt, str]]:
        """Put a request into a batch, and give how the request ended, and its path, once the batch has ended.

        The caller makes an answer of it within the block; after the block the answer counts as journalled.

        Args:
            request_id: of the request.
            encode: makes the HTTP request; runs in a thread, and only if no batch holds this id.

        Raises:
            RowError: a picture of the request cannot be read.
            AnswerError: the request was not run, or its batch failed.
            NotStored: the disk does not take a file.
        """
        batch = await self._batch_of(request_id, encode)
        self._in_work += 1
        try:
            async with self._working:
                assert batch.answers is not None
                line = await asyncio.to_thread(batch.answers.line, request_id, self._secret)
                path = batch.record.path if batch.record is not None else ""
                attempt = line.attempt if line is not None and line.request_id == request_id else None
                if attempt is not None:
                    yield attempt, path
        finally:
            self._in_work -= 1
        # The pool journals the answer before the loop runs this callback.
        asyncio.get_running_loop().call_soon(self._note_journalled, batch, request_id)
        if attempt is None:
            raise AnswerError(batch.missing())

    def holds(self, request_id: str) -> bool:
        """Whether a batch holds the request, of which the provider may have a file or an answer."""
        batch = self._batch_with.get(request_id)
        return batch is not None and not batch.is_over

    def let_go(self) -> None:
        """End the wait of every request, since the run stops; the failures say what the next run does."""
        self._stops += 1
        for path in list(self._drafts):
            batch = self._drafts.pop(path)
            self._timers.pop(path).cancel()
            batch.let_go(_NOT_SENT)
            self._forget(batch)
            if batch.draft is not None:
                batch.draft.close()
        host, waited = self._context.target.host, 0
        for batch in self._batches:
            if batch.runs and batch.record is not None:
                reason = f"batch {batch.record.batch} goes on at {host}: the next run picks it up"
                waited += batch.let_go(reason, goes_on=True)
            else:
                batch.let_go(_BEING_SENT, goes_on=True)
        if waited:
            count = count_of(sum(batch.runs for batch in self._batches), "batch", "batches")
            again = f"run {same_again()} again to pick them up"
            on = "goes on" if waited == 1 else "go on"
            log.warning("%s %s in %s at %s: %s", count_of(waited, "request"), on, count, host, again)

    async def close(self) -> None:
        """Stop following the batches, which go on at the provider."""
        self.let_go()
        if self._reporter is not None:
            self._reporter.cancel()
        for batch in list(self._batches):
            await batch.close()
        await self._transport.close()

    async def _batch_of(self, request_id: str, encode: Callable[[], Post]) -> Batch:
        """Wait for the batch that holds the answer to a request; as `send`."""
        while True:
            batch = self._batch_with.get(request_id)
            if batch is None:
                batch = await self._add_to_a_file(request_id, encode)
            elif batch.is_over:
                self._forget(batch)
                continue
            elif batch.record is not None:
                batch.start()
            try:
                await batch.wait_until_ended(request_id)
                return batch
            except NeverCreated:
                self._forget(batch)
            except AnswerError:
                if batch.is_over:
                    self._forget(batch)
                raise

    async def _add_to_a_file(self, request_id: str, encode: Callable[[], Post]) -> Batch:
        """Put a request into a file; one request at a time, since its pictures are in memory meanwhile."""
        stops = self._stops
        self._being_added += 1
        try:
            async with self._writing:
                if stops != self._stops:
                    raise AnswerError(Failure("retry", _NOT_SENT, retries=0))
                path, line = await asyncio.to_thread(self._line, request_id, encode)
                if stops != self._stops:
                    raise AnswerError(Failure("retry", _NOT_SENT, retries=0))
                return self._add(request_id, path, line)
        finally:
            self._being_added -= 1

    def _line(self, request_id: str, encode: Callable[[], Post]) -> tuple[str, bytes]:
        post = encode()
        return post.path, self._context.api.encode_line(request_id, post)

    def _add(self, request_id: str, path: str, line: bytes) -> Batch:
        api = self._context.api
        if len(line) > api.most_bytes:
            reason = f"a request of {len(line):,} bytes: a batch file may have {api.most_bytes:,}"
            raise AnswerError(Failure("retry", reason, retries=0))
        batch = self._drafts.get(path)
        if batch is not None and batch.draft is not None and batch.draft.size + len(line) > api.most_bytes:
            self._submit(path)
            batch = None
        try:
            if batch is None:
                batch = Batch(self._context, draft=Draft(self._context.records.folder, path))
                self._batches.add(batch)
                self._drafts[path], self._began[path] = batch, time.monotonic()
            assert batch.draft is not None
            batch.draft.add(request_id, line)
        except OSError as error:
            raise not_stored(error) from error
        batch.unanswered.add(request_id)
        self._batch_with[request_id] = batch
        if len(batch.draft.ids) >= api.most_requests:
            self._submit(path)
        else:
            self._restart_timer(path)
        return batch

    def _restart_timer(self, path: str) -> None:
        intervals = self._context.intervals
        if path in self._timers:
            self._timers[path].cancel()
        latest = self._began[path] + intervals.gather_most - time.monotonic()
        wait = max(0.0, min(intervals.gather, latest))
        self._timers[path] = asyncio.get_running_loop().call_later(wait, self._timer_ended, path)

    def _timer_ended(self, path: str) -> None:
        # Each answer makes room for a new row: while answers are in work, more requests are on their way.
        more_to_come = self._being_added or self._in_work
        if more_to_come and time.monotonic() - self._began[path] < self._context.intervals.gather_most:
            self._restart_timer(path)
        else:
            self._submit(path)

    def _submit(self, path: str) -> None:
        if timer := self._timers.pop(path, None):
            timer.cancel()
        self._drafts.pop(path).start()

    def _note_journalled(self, batch: Batch, request_id: str) -> None:
        """Note that the answer to a request is journalled; a failed request may now go into another batch."""
        if self._batch_with.get(request_id) is batch:
            del self._batch_with[request_id]
        try:
            batch.note_journalled(request_id)
        except OSError as error:  # the next run fetches the answer again, which costs nothing
            log.warning("cannot note what was taken from a batch: %s", error)
        if batch.is_over:
            self._batches.discard(batch)

    def _forget(self, batch: Batch) -> None:
        """Drop a batch for which no request waits or can wait; its requests may go into another one."""
        self._batches.discard(batch)
        for request_id in batch.unanswered:
            if self._batch_with.get(request_id) is batch:
                del self._batch_with[request_id]
        batch.unanswered = set()

    async def _report(self) -> None:
        """Log at intervals how far the batches are."""
        while True:
            await asyncio.sleep(self._context.intervals.report)
            running = [batch for batch in self._batches if batch.runs]
            if not running:
                continue
            oldest = min(batch.record.began for batch in running if batch.record is not None)
            log.warning(
                "%s at %s: %d of %d requests done, %d failed; the oldest is %.1f hours old, each may take %s",
                count_of(len(running), "batch", "batches"),
                self._context.target.host,
                sum(batch.state.done for batch in running),
                sum(batch.state.total or len(batch.unanswered) for batch in running),
                sum(batch.state.failed for batch in running),
                (time.time() - oldest) / 3600,
                self._context.api.window,
            )

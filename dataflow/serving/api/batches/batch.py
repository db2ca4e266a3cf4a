"""One batch, from its upload to its answers, and the requests that wait for them.

A kill at any moment must neither pay for a batch twice nor lose it. So the intent is on disk before the batch is
created, the batch's name is on disk before its state is asked for, and a request leaves the record only once its answer
is journalled. A batch that may exist is looked for by its tag before another one is created.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from dataflow.core.words import count_of
from dataflow.errors import AnswerError, Failure
from dataflow.serving.api.batches.answers import Answers
from dataflow.serving.api.batches.contract import BatchState
from dataflow.serving.api.batches.creating import BatchContext, NeverCreated, create
from dataflow.serving.api.batches.draft import Draft
from dataflow.serving.api.batches.records import BatchRecord
from dataflow.serving.api.batches.retrying import BatchFailed, failure_of, never_run, retry_or_stop, retry_until_done
from dataflow.utils.disk_retry import not_stored

log = logging.getLogger(__name__)

_NO_LINE_RETRIES = 2
_MAX_UNKNOWN = 3  # replies in a row that the provider has no such batch: a new one may take a moment to show up


class Batch:
    """One batch, of this run or of an earlier one. Lives on the event loop.

    Args:
        context: what all batches share.
        draft: the file of requests, for a new batch.
        record: for a batch of an earlier run.

    Attributes:
        draft: as given; None once the file is uploaded.
        record: as given, or as the upload made it.
        unanswered: ids of the requests without a journalled answer.
        state: how far the batch was when the provider was last asked.
        answers: on this machine's disk; None until the batch has ended.
        is_over: whether no request can wait for the batch any more.
    """

    def __init__(self, context: BatchContext, *, draft: Draft | None = None, record: BatchRecord | None = None) -> None:
        self.draft, self.record = draft, record
        self.unanswered = set() if record is None else {request_id for request_id in record.ids if request_id}
        self.state = BatchState("running")
        self.answers: Answers | None = None
        self.is_over = False
        self._context = context
        self._may_exist = record is not None and not record.batch
        self._waiting: dict[asyncio.Future[None], str] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task that takes the batch to its end, unless the task runs or has reached it."""
        if self._task is None or (self._task.done() and self.answers is None and not self.is_over):
            self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def runs(self) -> bool:
        """Whether the batch is known to exist and has not ended."""
        return self.record is not None and bool(self.record.batch) and self.answers is None and not self.is_over

    async def wait_until_ended(self, request_id: str) -> None:
        """Wait until the answers are on this machine's disk.

        Args:
            request_id: of the request that waits.

        Raises:
            NeverCreated: the batch does not exist; the request may go into another one.
            AnswerError: the batch answers nothing.
            NotStored: the disk does not take a file.
        """
        if self.answers is not None:
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[waiting] = request_id
        try:
            await waiting
        finally:
            del self._waiting[waiting]

    def let_go(self, reason: str, *, goes_on: bool = False) -> int:
        """End the wait of every request; returns how many waited.

        Args:
            reason: of their failures.
            goes_on: whether the batch is at the provider, or on its way there.
        """
        waiting = [future for future in self._waiting if not future.done()]
        for future in waiting:
            future.set_exception(AnswerError(Failure("retry", reason, retries=0, goes_on=goes_on)))
        return len(waiting)

    def missing(self) -> Failure:
        """The failure of a request that no line of the answers answers."""
        if self.state.state in ("completed", "succeeded"):
            reason = f"no line for this request among the answers of batch {self._name}; it may have been paid"
            return Failure("retry", reason, maybe_paid=True, retries=_NO_LINE_RETRIES)
        return never_run(self.state.state)

    def note_journalled(self, request_id: str) -> None:
        """Note that the answer to this request is journalled; after the last one the record is deleted."""
        self.unanswered.discard(request_id)
        if self.record is None or self.is_over:
            return
        if self.unanswered:
            self._context.records.note_journalled(self.record.tag, request_id)
        else:
            self._finish()

    async def close(self) -> None:
        """Stop following the batch, which goes on at the provider."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._close_files()

    @property
    def _name(self) -> str:
        return "" if self.record is None else self.record.batch or self.record.tag

    async def _run(self) -> None:
        outcome: BaseException | None = None
        try:
            await self._reach_the_end()
        except (BatchFailed, NeverCreated, AnswerError) as error:
            outcome = error
        except OSError as error:
            outcome = not_stored(error)
        except Exception as error:  # noqa: BLE001 - the requests that wait raise the error
            outcome = error
        if outcome is not None and (self.record is None or isinstance(outcome, BatchFailed | NeverCreated)):
            self._finish()  # nothing of the batch runs at the provider
        errors = self._errors(outcome)
        for waiting, request_id in self._waiting.items():
            if waiting.done():
                continue
            if outcome is None:
                waiting.set_result(None)
            else:
                waiting.set_exception(errors(request_id))

    def _errors(self, outcome: BaseException | None) -> Callable[[str], BaseException]:
        """A function from the id of a request to the exception that ends its wait.

        Args:
            outcome: why the batch ended without answers.
        """
        if isinstance(outcome, BatchFailed):
            ids = () if self.record is None else self.record.ids
            blamed = {ids[line]: failure for line, failure in outcome.blamed.items()}
            whole = outcome.failure
            return lambda request_id: AnswerError(blamed.get(request_id, whole))
        if isinstance(outcome, AnswerError):
            failure = outcome.failure
            return lambda _: AnswerError(failure)
        reason = outcome or AssertionError("the batch ended without a failure")
        return lambda _: reason

    async def _reach_the_end(self) -> None:
        context = self._context
        if self.record is None:
            self.record = await self._upload()
        while True:
            await self._create(self.record)
            await self._until_it_ends()
            if self.state.phase != "failed":
                break
            failed = failure_of(self.state.errors, len(self.record.ids), context.target)
            if failed.failure.kind != "wait":
                raise failed
            log.warning("%s has no room for another batch just now (%s)", context.target.host, failed.failure.said)
            await asyncio.sleep(max(context.intervals.resubmit, failed.failure.wait))
            self._renew_intent()
        await self._download()

    async def _upload(self) -> BatchRecord:
        """Upload the draft, and write the intent to create a batch of it."""
        context, draft = self._context, self.draft
        assert draft is not None
        upload = partial(context.api.upload, draft.file, draft.size, f"{draft.tag}.jsonl")
        name = await retry_or_stop(upload, draft.tag, context.intervals.give_up)
        digest = draft.sha256
        draft.close()
        self.draft = None
        record = BatchRecord(draft.tag, draft.path, tuple(draft.ids), time.time(), name, digest)
        await asyncio.to_thread(context.records.write, record)
        return record

    async def _create(self, record: BatchRecord) -> None:
        """Create the batch unless it exists, and write its name to disk."""
        if record.batch:
            return
        may_exist, self._may_exist = self._may_exist, True
        name = await create(self._context, record, may_exist=may_exist)
        self.record = replace(record, batch=name)
        await asyncio.to_thread(self._context.records.write, self.record)
        size = count_of(len(record.ids), "request")
        log.info("batch %s of %s is at %s", name, size, self._context.target.host)

    async def _until_it_ends(self) -> None:
        context, record = self._context, self.record
        assert record is not None
        unknown = 0
        while True:
            self.state = await retry_until_done(partial(context.api.state, record.batch), record.tag)
            unknown = unknown + 1 if self.state.phase == "unknown" else 0
            if unknown >= _MAX_UNKNOWN:
                reason = f"{context.target.host} no longer knows batch {record.batch}; it may have been paid"
                raise BatchFailed(Failure("retry", reason, maybe_paid=True, retries=1), {})
            if self.state.phase in ("ended", "failed"):
                return
            await asyncio.sleep(context.intervals.poll)

    def _renew_intent(self) -> None:
        """Replace the record of a batch for which the provider had no room by a new intent for the same file.

        The new intent has a tag of its own, since the failed batch stays in the provider's list under the old one.
        """
        assert self.record is not None
        before = self.record.tag
        self.record = replace(self.record, tag=uuid.uuid4().hex, batch="", began=time.time())
        self._context.records.write(self.record)
        self._context.records.remove(before)
        self._may_exist = False

    async def _download(self) -> None:
        context, record = self._context, self.record
        assert record is not None
        answers = Answers(context.records.folder, context.api)
        try:
            for name in self.state.files:
                if not await retry_until_done(partial(context.api.download, name, answers.file), record.tag):
                    reason = f"{context.target.host} no longer has the answers of batch {record.batch}; they were paid"
                    raise BatchFailed(Failure("retry", reason, maybe_paid=True, retries=1), {})
            await asyncio.to_thread(answers.index)
        except BaseException:
            answers.close()
            raise
        self.answers = answers

    def _finish(self) -> None:
        """Delete the record and the files, since no request can wait for the batch any more."""
        self.is_over = True
        if self.record is not None:
            self._context.records.remove(self.record.tag)
        self._close_files()

    def _close_files(self) -> None:
        for file in (self.draft, self.answers):
            if file is not None:
                file.close()

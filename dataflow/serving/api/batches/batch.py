"""One batch: uploaded, created, looked at until it ends, downloaded; its requests wait for that together.

The order is what a kill may not undo: the intent is on disk before the batch is asked for, the batch's name
before it is looked at, and a request leaves the record only once its answer is journalled. A batch that was asked
for and may exist is looked for by its tag before it is asked for again.
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
from dataflow.serving.api.batches.contract import Look
from dataflow.serving.api.batches.creating import BatchContext, NeverCreated, create
from dataflow.serving.api.batches.draft import Draft
from dataflow.serving.api.batches.records import BatchRecord
from dataflow.serving.api.batches.retrying import BatchFailed, failure_of, never_run, retry_or_stop, retry_until_done
from dataflow.utils.held import not_stored

log = logging.getLogger(__name__)

_NO_LINE_RETRIES = 2
_UNKNOWN_LOOKS = 3  # a batch may take a moment to show up where it is looked for


class Batch:
    """One batch, of this run or an earlier one. Lives on the event loop.

    Args:
        context: what all batches share.
        draft: the file of requests, for a new batch.
        record: of a batch of an earlier run.

    Attributes:
        unanswered: requests without a journalled answer.
        look: its state when the provider was last asked.
        answers: on disk here, once the batch has ended.
        over: whether no request can wait for it any more.
    """

    def __init__(self, context: BatchContext, *, draft: Draft | None = None, record: BatchRecord | None = None) -> None:
        self.draft, self.record = draft, record
        self.unanswered = set() if record is None else {each for each in record.ids if each}
        self.look = Look("running")
        self.answers: Answers | None = None
        self.over = False
        self._context = context
        self._may_exist = record is not None and not record.batch
        self._waiting: dict[asyncio.Future[None], str] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow the batch to its end, unless that is under way."""
        if self._task is None or (self._task.done() and self.answers is None and not self.over):
            self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def runs(self) -> bool:
        """Whether the batch is known to exist and has not ended."""
        return self.record is not None and bool(self.record.batch) and self.answers is None and not self.over

    async def wait_until_ended(self, request_id: str) -> None:
        """Wait until the answers are here.

        Args:
            request_id: who waits.

        Raises:
            NeverCreated: it is not there; the request may go into another one.
            AnswerError: there will be no answer.
            NotStored: the disk does not take it.
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
        """End what waits, with this reason. Returns how many waited.

        Args:
            reason: for each.
            goes_on: the batch is at the provider, or on its way there.
        """
        waiting = [each for each in self._waiting if not each.done()]
        for each in waiting:
            each.set_exception(AnswerError(Failure("retry", reason, retries=0, goes_on=goes_on)))
        return len(waiting)

    def missing(self) -> Failure:
        """The failure of a request that the answers hold no line of."""
        if self.look.state in ("completed", "succeeded"):
            reason = f"no line for this request among the answers of batch {self._name}; it may have been paid"
            return Failure("retry", reason, maybe_paid=True, retries=_NO_LINE_RETRIES)
        return never_run(self.look.state)

    def note_journalled(self, request_id: str) -> None:
        """Note that the answer to this request is journalled; with the last one the record goes."""
        self.unanswered.discard(request_id)
        if self.record is None or self.over:
            return
        if self.unanswered:
            self._context.records.note_journalled(self.record.tag, request_id)
        else:
            self._finish()

    async def close(self) -> None:
        """Stop looking; the batch goes on at the provider."""
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
            await self._to_the_end()
        except (BatchFailed, NeverCreated, AnswerError) as error:
            outcome = error
        except OSError as error:
            outcome = not_stored(error)
        except Exception as error:  # noqa: BLE001 - whoever waits must learn of it
            outcome = error
        if outcome is not None and (self.record is None or isinstance(outcome, BatchFailed | NeverCreated)):
            self._finish()  # nothing of it runs
        errors = self._errors(outcome)
        for waiting, request_id in self._waiting.items():
            if waiting.done():
                continue
            if outcome is None:
                waiting.set_result(None)
            else:
                waiting.set_exception(errors(request_id))

    def _errors(self, outcome: BaseException | None) -> Callable[[str], BaseException]:
        """The exception that ends the wait of each request, by its id."""
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

    async def _to_the_end(self) -> None:
        context = self._context
        if self.record is None:
            self.record = await self._upload()
        while True:
            await self._create(self.record)
            await self._until_it_ends()
            if self.look.phase != "failed":
                break
            failed = failure_of(self.look.complaints, len(self.record.ids), context.asked)
            if failed.failure.kind != "wait":
                raise failed
            log.warning("%s has no room for another batch just now (%s)", context.asked.host, failed.failure.said)
            await asyncio.sleep(max(context.intervals.resubmit, failed.failure.wait))
            self._begin_again()
        await self._download()

    async def _upload(self) -> BatchRecord:
        """Upload the draft; then the intent is on disk."""
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
        """See to it that the batch exists, once, and that its name is on disk."""
        if record.batch:
            return
        may_exist, self._may_exist = self._may_exist, True
        name = await create(self._context, record, may_exist=may_exist)
        self.record = replace(record, batch=name)
        await asyncio.to_thread(self._context.records.write, self.record)
        size = count_of(len(record.ids), "request")
        log.info("batch %s of %s is at %s", name, size, self._context.asked.host)

    async def _until_it_ends(self) -> None:
        context, record = self._context, self.record
        assert record is not None
        unknown = 0
        while True:
            self.look = await retry_until_done(partial(context.api.look, record.batch), record.tag)
            unknown = unknown + 1 if self.look.phase == "unknown" else 0
            if unknown >= _UNKNOWN_LOOKS:
                reason = f"{context.asked.host} no longer knows batch {record.batch}; it may have been paid"
                raise BatchFailed(Failure("retry", reason, maybe_paid=True, retries=1), {})
            if self.look.phase in ("ended", "failed"):
                return
            await asyncio.sleep(context.intervals.poll)

    def _begin_again(self) -> None:
        """A new intent for the same file, in place of a batch that failed before it began."""
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
            for name in self.look.files:
                if not await retry_until_done(partial(context.api.download, name, answers.file), record.tag):
                    reason = f"{context.asked.host} no longer has the answers of batch {record.batch}; they were paid"
                    raise BatchFailed(Failure("retry", reason, maybe_paid=True, retries=1), {})
            await asyncio.to_thread(answers.index)
        except BaseException:
            answers.close()
            raise
        self.answers = answers

    def _finish(self) -> None:
        self.over = True
        if self.record is not None:
            self._context.records.remove(self.record.tag)
        self._close_files()

    def _close_files(self) -> None:
        for file in (self.draft, self.answers):
            if file is not None:
                file.close()

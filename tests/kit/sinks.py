"""A sink that keeps the outcomes that a pool reports."""

import threading
from collections.abc import Callable, Sequence

from dataflow.core.records import Answer, Job, Request
from dataflow.errors import Failure
from tests.kit.workers import WAIT


class Notes:
    """The outcomes of one sink's jobs.

    Args:
        expected: answers after which `wait` returns.
    """

    def __init__(self, expected: int) -> None:
        self.answers: dict[str, Answer] = {}
        self.retried: list[str] = []
        self.failure: BaseException | None = None
        self._expected = expected
        self._done = threading.Event()

    def starting(self, job: Job, attempt: int) -> bool:
        return True

    def waits(self, job: Job, go_on: Callable[[], None]) -> bool:
        return False

    def retrying(self, job: Job, attempt: int, failure: Failure) -> None:
        self.retried.append(job.request.prompt)

    def answered(self, job: Job, attempt: int, answer: Answer) -> None:
        assert job.request.prompt not in self.answers
        self.answers[job.request.prompt] = answer
        if len(self.answers) == self._expected:
            self._done.set()

    def broken(self, job: Job, error: BaseException) -> None:
        self.failure = error
        self._done.set()

    def wait(self) -> None:
        assert self._done.wait(WAIT), f"answered only {list(self.answers)}"


def jobs(prompts: Sequence[str]) -> list[Job]:
    return [Job(f"{n:032x}", Request(prompt, makes="text")) for n, prompt in enumerate(prompts)]

"""A worker that answers from a script."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from dataflow.core.records import JSON, Answer, Job, Request
from dataflow.core.retry import RetryPolicy
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError, Failure
from dataflow.io import ImageIO
from dataflow.testing.pictures import SIZE, plain_png

Reply = str | bytes | Failure | Answer


class ScriptedWorker(Worker):
    """Answers one request after another, in the rows' order, with neither network nor GPU.

    Args:
        script: a function of the request, or the replies in the order of the requests. A reply is text (str), a picture
            (the bytes of its file), a `Failure`, or an `Answer`, which goes out as it is. None: the prompt where a
            request wants text, and a picture of one colour where it wants a picture.
        save_path: the folder of its pictures.
        model: its name. A cache directory keeps what a model of one name answered, whatever the script says later.

    Attributes:
        asked: the requests in the order of their arrival; one that is asked again stands there again.
    """

    retry = RetryPolicy(base=0.01)

    def __init__(
        self,
        script: Callable[[Request], Reply] | Iterable[Reply] | None = None,
        *,
        save_path: str | os.PathLike[str] = "",
        model: str = "scripted",
    ) -> None:
        self.save_path = os.fspath(save_path)
        self.asked: list[Request] = []
        self._model = model
        self._reply = script if callable(script) or script is None else _in_order(iter(script))

    @property
    def prompts(self) -> list[str]:
        """Of the requests in `asked`."""
        return [request.prompt for request in self.asked]

    def fingerprint(self) -> Mapping[str, JSON]:
        """Its name is all that makes its answers what they are."""
        return {"model": self._model}

    def mask_problem(self) -> str:
        """None: the script sees the mask in its request."""
        return ""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """What the script says of each request.

        Raises:
            ConfigError: it draws, and has no `save_path`.
        """
        return [self._answer(job) for job in batch]

    def _answer(self, job: Job) -> Answer:
        self.asked.append(job.request)
        reply = self._reply(job.request) if self._reply else _stand_in(job)
        if isinstance(reply, Answer):
            return reply
        if isinstance(reply, Failure):
            return Answer(error=reply)
        if isinstance(reply, str) != (job.request.makes == "text"):
            made, wanted = ("words", "a picture") if isinstance(reply, str) else ("a picture", "words")
            hint = 'a request for words says makes="text"'
            return Answer(error=Failure("refused", f"the script replied with {made}, {wanted} were asked for: {hint}"))
        if isinstance(reply, str):
            return Answer(text=reply)
        if not self.save_path:
            raise ConfigError("ScriptedWorker: a picture needs a folder: give save_path=")
        return Answer(pictures=ImageIO(self.save_path).save(job.id, [reply]))

    def recover(self, job: Job) -> Answer | None:
        """A picture that was written before its run was killed, as every worker that draws finds it."""
        pictures = ImageIO(self.save_path).find(job.id) if self.save_path else ()
        return Answer(pictures=pictures) if pictures else None


def _in_order(replies: Iterator[Reply]) -> Callable[[Request], Reply]:
    def reply(request: Request) -> Reply:
        try:
            return next(replies)
        except StopIteration:
            raise AssertionError(f"the script has no reply left for {request.prompt!r}") from None

    return reply


def _stand_in(job: Job) -> Reply:
    if job.request.makes == "text":
        return job.request.prompt
    return plain_png(job.id.encode(), job.request.size or SIZE)

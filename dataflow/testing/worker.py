"""A worker that answers from a script, for tests without a network or a GPU."""

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
    """Answers one request after another, in the order of the rows, without a network or a GPU.

    Args:
        script: a function of the request that returns the reply, or the replies in the order of the requests. A reply
            is a text (str), a picture (the bytes of its file), a `Failure`, or an `Answer`, which is returned
            unchanged. None: the reply is the prompt if the request is for text, and a picture of one colour if it is
            for a picture.
        save_path: folder of the pictures; needed if the worker replies with pictures.
        model: name of the model. A cache directory keeps the answers of a model by its name, so that another script
            under the same name is not asked again.

    Attributes:
        asked: the requests in the order of their arrival, retries included.
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
        """The prompts of the requests in `asked`."""
        return [request.prompt for request in self.asked]

    def fingerprint(self) -> Mapping[str, JSON]:
        """Return the name of the model, by which a cache directory knows the answers of this worker."""
        return {"model": self._model}

    def mask_problem(self) -> str:
        """Return "": this worker takes masks, and the script sees the mask in the request."""
        return ""

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """Answer each request by the script.

        Raises:
            ConfigError: a reply is a picture and there is no `save_path`.
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
        """Return the picture that a killed run wrote for this job, as every worker that draws does; None: none."""
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

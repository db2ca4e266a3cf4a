"""What every serving offers beside answering the flow's requests: being asked directly."""

from abc import ABC
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dataflow.core.arguments import checked
from dataflow.core.records import Answer, Makes, Request, Turn
from dataflow.core.words import count_of
from dataflow.core.worker import Worker
from dataflow.errors import AnswerError
from dataflow.pools.executor import call_directly

TRUNCATED = "truncated"  # in an answer's usage: the text, or a picture's prompt, was cut off; sums up to how many were


class ServingABC(Worker, ABC):
    """A worker that can also be asked at the prompt, with the same retries and limits as in a step.

    Attributes:
        makes: what `generate` asks for unless told otherwise.
        images_per_prompt: pictures that a drawing operator asks for per prompt unless told otherwise.
    """

    makes: Makes = "image"
    images_per_prompt: int = 1

    @checked
    def generate(
        self,
        prompt: str,
        images: Sequence[str | Path] | str | Path = (),
        *,
        makes: Makes | None = None,
        system_prompt: str = "",
        size: tuple[int, int] | None = None,
        seed: int | None = None,
    ) -> Answer:
        """Ask one thing and wait for the answer; nothing is journalled, and of what is paid for the cost is None.

        Args:
            prompt: the instruction, description or question.
            images: path of the input picture, or paths of several, in order.
            makes: "image" or "text"; None: what this serving usually makes.
            system_prompt: said before the prompt.
            size: width and height in pixels; None leaves it to the model.
            seed: None leaves it to the request.

        Raises:
            ConfigError: a setting is missing or wrong.
            RowError: a picture cannot be read.
            AnswerError: there is no answer.
            Interrupted: Ctrl-C; its message names the picture if it arrived.
        """
        several = (images,) if isinstance(images, str | Path) else images
        paths = tuple(str(Path(image).absolute()) for image in several)
        turns = (Turn("system", system_prompt),) if system_prompt else ()
        request = Request(prompt, paths, makes or self.makes, turns, size, seed)
        (answer,) = call_directly(self, [request])
        priced = answer if self.billing() is None else replace(answer, cost=None)  # only a step reckons
        return priced.raise_for_error()

    @checked
    def generate_from_input(self, user_inputs: Sequence[str], system_prompt: str = "") -> list[str]:
        """Texts to texts, in the same order; all are asked before a failed one is reported.

        Args:
            user_inputs: n prompts.
            system_prompt: said before each.

        Raises:
            ConfigError: a setting is missing or wrong; one string instead of several.
            AnswerError: the first that failed; its message says which, and its `texts` have what the others were
                answered.
            Interrupted: Ctrl-C; what was in flight was waited for, and its `texts` have what was answered.
        """
        turns = (Turn("system", system_prompt),) if system_prompt else ()
        answers = call_directly(self, [Request(text, (), "text", turns) for text in user_inputs])
        texts = [answer.text if answer.error is None else None for answer in answers]
        for number, answer in enumerate(answers):
            if (failure := answer.error) is not None:
                good = len(texts) - texts.count(None)
                answered = f"{good:,} of {count_of(len(texts), 'prompt')} answered: see `texts` of this error"
                reason = f"user_inputs[{number}]: {failure.reason}; {answered}"
                raise AnswerError(replace(failure, reason=reason), texts)
        return [answer.text for answer in answers]

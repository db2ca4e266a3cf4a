"""The base class of servings: workers that can also be asked directly, without a step."""

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

# In an answer's usage, 1 where the text, or the prompt of a picture, was cut off: summed up, it counts such answers.
TRUNCATED = "truncated"


class ServingABC(Worker, ABC):
    """A worker that can also be asked directly, such as in a notebook, with the same retries and limits as in a step.

    Attributes:
        makes: what `generate` asks for by default: "image" or "text".
        images_per_prompt: pictures for each prompt that a drawing operator asks for by default.
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
        """Send one request and wait for its answer.

        The answer is not journalled: a second call with the same arguments is paid again, and its picture replaces the
        first one in the folder; another `seed` keeps both. Only a step reckons costs, so
        the answer's `cost` is None where the serving's answers are charged.

        Args:
            prompt: the instruction, description or question.
            images: path of the input picture, or paths of several pictures, in the order that the prompt means.
            makes: "image" or "text"; None: the serving's default.
            system_prompt: goes before the prompt; empty: there is none.
            size: width and height of the picture to be made, in pixels; None: the model's default.
            seed: of the model's random numbers; None: the seed follows from the request.

        Returns:
            The answer: its `pictures` are saved, its `text` is what the model wrote.

        Raises:
            ConfigError: a setting is missing or wrong.
            RowError: an input picture cannot be read.
            AnswerError: there is no answer; it holds the `Failure` that says why.
            Interrupted: Ctrl-C was pressed; the message names the picture if it arrived all the same.
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
        """Answer each of several prompts with a text; nothing is journalled, so a second call is paid again.

        All prompts are sent before the first failure is raised.

        Args:
            user_inputs: n prompts.
            system_prompt: goes before each prompt; empty: there is none.

        Returns:
            n texts, in the order of the prompts.

        Raises:
            ConfigError: a setting is missing or wrong, or `user_inputs` is one string.
            AnswerError: a prompt was not answered. The message names the first such prompt, and `texts` of the error
                holds the answers to all others.
            Interrupted: Ctrl-C was pressed; requests in flight were waited for, and `texts` of the error holds the
                answers that arrived.
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

"""The operator that draws a picture for each description."""

from collections.abc import Sequence

from dataflow.core.columns import prompts
from dataflow.core.records import Answer, Request, Row
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError
from dataflow.flow.recipe import Expects
from dataflow.flow.summary import Summary
from dataflow.judging.condition import PAINTER
from dataflow.operators.base import Columns, OneWaveOperator
from dataflow.serving.base import ServingABC
from dataflow.utils.storage import FileStorage, Step


class PromptedImageGenerator(OneWaveOperator):
    """Draws a picture for every message of the user, in order.

    - Rows in: a column of messages; each message of the user describes one picture.
    - Rows out: all rows; the column `images` gets the list of paths: `repeat_times` pictures of the first message, then
      those of the second message, and so on.

    Args:
        t2i_serving: draws the pictures.
        save_interval: number of answers after which the journal is flushed to the disk at the latest; each answer is
            written when it arrives.
        repeat_times: pictures for each message, from 1; None: as many as the serving is set up to make for a prompt.

    Raises:
        ConfigError: there is no serving, or `repeat_times` is below 1.
    """

    description = "Draws pictures as described."
    description_zh = "按描述绘制图片。"

    def __init__(
        self, t2i_serving: Worker | None = None, *, save_interval: int = 64, repeat_times: int | None = None
    ) -> None:
        if t2i_serving is None:
            raise ConfigError("PromptedImageGenerator needs t2i_serving=, such as LocalImageGenServing(...)")
        if repeat_times is not None and repeat_times < 1:
            raise ConfigError(f"repeat_times is {repeat_times}: give the number of pictures per message")
        super().__init__({PAINTER: t2i_serving}, save_interval=save_interval)
        of_serving = t2i_serving.images_per_prompt if isinstance(t2i_serving, ServingABC) else 1
        self.repeat_times = repeat_times or of_serving

    def run(
        self,
        storage: FileStorage | Step,
        *,
        input_conversation_key: str = "conversations",
        output_image_key: str = "images",
        overwrite: bool = False,
        retry_rejected: bool = False,
    ) -> Summary:
        """Draw the pictures of every row of the step; a row with one failed picture is a failed row.

        Args:
            storage: the step, from `storage.step()`.
            input_conversation_key: column with the messages; messages of system, assistant and tools are left out.
            output_image_key: column that gets the list of paths, `[]` if the row failed; a row with a value in it
                stays as it is.
            overwrite: also draw for rows whose output column has a value.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError: a setting, a column or the input file is wrong; nothing was spent.
            FatalAnswer: no request can succeed, for example because a key is wrong.
            MaxCostReached: `max_cost` leaves no room for the next request.
            NotStored: the disk is full or read-only.
            StepFailed: every row failed.
            Interrupted: a signal stopped the run.
        """
        return self.execute(
            storage,
            inputs=input_conversation_key,
            outputs=output_image_key,
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
        """Ask for `repeat_times` pictures of each message."""
        (conversation,) = columns.inputs
        texts = prompts(row[conversation], conversation)
        # Equal messages of a row share one sequence of numbers, in which the k-th pictures of all of them stand before
        # the next: a later run with a greater `repeat_times` has the same requests as before, and further ones.
        return [
            Request(text, repeat=k * texts.count(text) + texts[:index].count(text), worker=PAINTER)
            for index, text in enumerate(texts)
            for k in range(self.repeat_times)
        ]

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Count the pictures of one message, for a row whose messages are not made yet."""
        return {PAINTER: (self.repeat_times, self.repeat_times)}

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row]:
        """Return the row with one path for each answer: the last picture, since a model may send its drafts first."""
        return [{**row, columns.output: [answer.pictures[-1].path for answer in answers]}]

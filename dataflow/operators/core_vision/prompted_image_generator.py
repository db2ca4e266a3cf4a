"""Descriptions in, drawn pictures out."""

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
    """Draws a picture for every message of a row's conversation, in order.

    Args:
        t2i_serving: what draws.
        save_interval: answers after which the journal reaches the disk at the latest; each is written as it arrives.
        repeat_times: pictures per message; those of one message stand beside each other. None: as many as the
            serving was set up to make.
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
        """Draw for every row of the step; a row with one picture failed is a failed row.

        Args:
            storage: `storage.step()`.
            input_conversation_key: column with the messages; those of system, assistant and tools are passed over.
            output_image_key: column that gets the list of paths, `[]` where a row failed.
            overwrite: draw again although the output column has a value.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says.
        """
        return self.execute(
            storage,
            inputs=input_conversation_key,
            outputs=output_image_key,
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
        """One request per message and repetition."""
        (conversation,) = columns.inputs
        texts = prompts(row[conversation], conversation)
        # Numbered so that asking for more pictures later keeps those that are there.
        return [
            Request(text, repeat=k * texts.count(text) + texts[:at].count(text), worker=PAINTER)
            for at, text in enumerate(texts)
            for k in range(self.repeat_times)
        ]

    def expects(self, row: Row, columns: Columns) -> Expects:
        """As planned; while the messages are not there, one is assumed."""
        return {PAINTER: (self.repeat_times, self.repeat_times)}

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row]:
        """The row with one path per request, in order: of several pictures the last, as for an edit."""
        return [{**row, columns.output: [answer.pictures[-1].path for answer in answers]}]

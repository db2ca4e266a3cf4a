"""Descriptions in, drawn pictures out."""

from collections.abc import Sequence
from dataclasses import dataclass

from dataflow.core.columns import prompts
from dataflow.core.records import Answer, Request, Row
from dataflow.errors import ConfigError
from dataflow.flow.replay import Expects
from dataflow.flow.summary import Summary
from dataflow.operators.base import OneWaveOperator
from dataflow.serving.base import ServingABC
from dataflow.utils.storage import FileStorage, Step


@dataclass(frozen=True, slots=True)
class DrawColumns:
    """The fields of a row that drawing reads and writes."""

    conversation: str
    output: str


class PromptedImageGenerator(OneWaveOperator[DrawColumns]):
    """Draws a picture for every message of a row's conversation, in order.

    Args:
        t2i_serving: what draws.
        save_interval: answers after which the journal reaches the disk at the latest; each is written as it arrives.
        repeat_times: pictures per message; those of one message stand beside each other. None: as many as the
            serving was set up to make.
    """

    def __init__(
        self, t2i_serving: ServingABC | None = None, *, save_interval: int = 64, repeat_times: int | None = None
    ) -> None:
        if t2i_serving is None:
            raise ConfigError("PromptedImageGenerator needs t2i_serving=, such as LocalImageGenServing(...)")
        if repeat_times is not None and repeat_times < 1:
            raise ConfigError(f"repeat_times is {repeat_times}: give the number of pictures per message")
        self.serving = t2i_serving
        self.save_interval = save_interval
        self.repeat_times = repeat_times or t2i_serving.images_per_prompt

    @staticmethod
    def get_desc(lang: str = "en") -> str:
        """What the operator does, in one sentence."""
        return "按描述绘制图片。" if lang == "zh" else "Draws pictures as described."

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
            input_conversation_key: column with the messages; the assistant's are passed over.
            output_image_key: column that gets the list of paths, `[]` where a row failed.
            overwrite: draw again although the output column has a value.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says.
        """
        return self.execute(
            storage,
            DrawColumns(input_conversation_key, output_image_key),
            workers={"painter": self.serving},
            inputs=(input_conversation_key,),
            output=output_image_key,
            overwrite=overwrite,
            retry_rejected=retry_rejected,
            save_interval=self.save_interval,
        )

    def plan(self, row: Row, columns: DrawColumns) -> Sequence[Request]:
        """One request per message and repetition."""
        texts = prompts(row[columns.conversation], columns.conversation)
        # Numbered so that asking for more pictures later keeps those that are there.
        return [
            Request(text, repeat=k * texts.count(text) + texts[:at].count(text), worker="painter")
            for at, text in enumerate(texts)
            for k in range(self.repeat_times)
        ]

    def expects(self, row: Row, columns: DrawColumns) -> Expects:
        """As planned; while the messages are not there, one is assumed."""
        return {"painter": (self.repeat_times, self.repeat_times)}

    def merge(self, row: Row, answers: Sequence[Answer], columns: DrawColumns) -> Sequence[Row]:
        """The row with one path per request, in order; whatever else an API sent along is left out."""
        return [{**row, columns.output: [answer.pictures[0].path for answer in answers]}]

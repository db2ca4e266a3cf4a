"""Pictures and an instruction in, the edited picture out."""

from collections.abc import Sequence

from dataflow.core.columns import mask_path, picture_paths, prompts
from dataflow.core.records import Answer, Request, Row
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError
from dataflow.flow.recipe import Expects
from dataflow.flow.summary import Summary
from dataflow.operators.base import Columns, OneWaveOperator
from dataflow.utils.storage import FileStorage, Step


class PromptedImageEditGenerator(OneWaveOperator):
    """Edits the pictures of each row as the last message of its conversation says.

    Args:
        image_edit_serving: what edits; all pictures of a row reach it, in order.
        pipe: the same, under its older name.
        save_interval: answers after which the journal reaches the disk at the latest; each is written as it arrives.
        repeat_times: results per row.
    """

    description = "Edits pictures as instructed."
    description_zh = "按指令编辑图片。"

    def __init__(
        self,
        image_edit_serving: Worker | None = None,
        *,
        pipe: Worker | None = None,
        save_interval: int = 64,
        repeat_times: int = 1,
    ) -> None:
        serving = image_edit_serving or pipe
        if serving is None:
            raise ConfigError("PromptedImageEditGenerator needs image_edit_serving=, such as APIVLMServing_openai(...)")
        if repeat_times < 1:
            raise ConfigError(f"repeat_times is {repeat_times}: give the number of results per row")
        super().__init__({"editor": serving}, save_interval=save_interval)
        self.repeat_times = repeat_times

    def run(
        self,
        storage: FileStorage | Step,
        *,
        input_image_key: str = "images",
        input_conversation_key: str = "conversations",
        input_mask_key: str | None = None,
        output_image_key: str = "edited_images",
        overwrite: bool = False,
        retry_rejected: bool = False,
    ) -> Summary:
        """Edit every row of the step.

        Args:
            storage: `storage.step()`.
            input_image_key: column with one path or a list of paths.
            input_conversation_key: column with the messages; the last one of the user counts.
            input_mask_key: column with the path of a mask for the first picture: white where it may change. A row
                without a value there is edited as a whole; without `input_mask_key` all are.
            output_image_key: column that gets the list of result paths, `[]` where a row failed.
            overwrite: edit again although the output column has a value.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says.
        """
        return self.execute(
            storage,
            inputs=(input_image_key, input_conversation_key),
            optional=input_mask_key or (),
            masked="editor" if input_mask_key else (),
            outputs=output_image_key,
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
        """One request per result, each with all pictures of the row and its mask."""
        images, conversation = columns.inputs
        paths = picture_paths(row[images], images)
        prompt = prompts(row[conversation], conversation)[-1]
        mask = next((mask_path(row.get(column), column) for column in columns.optional), None)
        return [Request(prompt, paths, repeat=k, worker="editor", mask=mask) for k in range(self.repeat_times)]

    def expects(self, row: Row, columns: Columns) -> Expects:
        """One request per result."""
        return {"editor": (self.repeat_times, self.repeat_times)}

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row]:
        """The row with one path per result: of several pictures the last, since a model may send its drafts before."""
        return [{**row, columns.output: [answer.pictures[-1].path for answer in answers]}]

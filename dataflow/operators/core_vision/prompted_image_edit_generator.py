"""The operator that edits the pictures of each row by an instruction."""

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
    """Edits the pictures of each row by the last message of the user.

    - Rows in: a column of source pictures, and a column of messages with the instruction.
    - Rows out: all rows; the column `edited_images` gets the list of paths, `repeat_times` of them.

    Args:
        image_edit_serving: edits the pictures; one request has all pictures of its row, in order.
        pipe: an older name of `image_edit_serving`.
        save_interval: number of answers after which the journal is flushed to the disk at the latest; each answer is
            written when it arrives.
        repeat_times: edits of each row, from 1.

    Raises:
        ConfigError: there is no serving, or `repeat_times` is below 1.
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
        """Edit every row of the step; a row with one failed edit is a failed row.

        Args:
            storage: the step, from `storage.step()`.
            input_image_key: column with the path, or a list of the paths, of the source pictures.
            input_conversation_key: column with the messages; the last message of the user is the instruction.
            input_mask_key: column with the path of a mask for the first picture, white where the picture may change; a
                row that leaves it empty has no mask. None: no row has a mask.
            output_image_key: column that gets the list of paths of the edits, `[]` if the row failed; a row with a
                value in it stays as it is.
            overwrite: also edit rows whose output column has a value.
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
            inputs=(input_image_key, input_conversation_key),
            optional=input_mask_key or (),
            masked="editor" if input_mask_key else (),
            outputs=output_image_key,
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
        """Ask for each edit of the row, with all its pictures and its mask."""
        images, conversation = columns.inputs
        paths = picture_paths(row[images], images)
        prompt = prompts(row[conversation], conversation)[-1]
        mask = next((mask_path(row.get(column), column) for column in columns.optional), None)
        return [Request(prompt, paths, repeat=k, worker="editor", mask=mask) for k in range(self.repeat_times)]

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Count one request for each edit."""
        return {"editor": (self.repeat_times, self.repeat_times)}

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row]:
        """Return the row with one path for each answer: the last picture, since a model may send its drafts first."""
        return [{**row, columns.output: [answer.pictures[-1].path for answer in answers]}]

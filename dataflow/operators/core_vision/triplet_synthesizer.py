"""The operator that makes accepted edits until a quota is met: it writes, draws, edits and judges in one step."""

from collections.abc import Sequence
from dataclasses import replace

from dataflow.core.records import Row
from dataflow.flow.recipe import Expects, Steps
from dataflow.flow.summary import SURPLUS, Summary
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_text.edit_instruction_generator import EditInstructionGenerator
from dataflow.operators.core_text.edit_prompt_generator import EditPromptGenerator
from dataflow.operators.core_vision.checked_image_generator import CheckedImageGenerator
from dataflow.operators.core_vision.image_edit_accept_loop import ImageEditAcceptLoop
from dataflow.operators.core_vision.triplet_parts import DRAWINGS, DRAWN, Painter, Parts
from dataflow.operators.core_vision.triplet_rows import WRITTEN
from dataflow.quota.quota import Quota
from dataflow.utils.storage import FileStorage, Step


class TripletSynthesizer(GeneratorOperator):
    """Writes, draws, edits and judges rows in one step, so that the verdicts decide how many more rows are begun.

    - Rows in: none, or photographs if `writer` is an `EditInstructionGenerator`.
    - Rows out: rows with an accepted edit each, with the columns of all parts.
    - Side outputs: `written` and `drawn` have the rows as the writing and the drawing step alone would write them;
      `rejected`, `tries` and `pairs` have what `ImageEditAcceptLoop` writes; `surplus` has accepted rows beyond the
      quota, with the reason in the column `surplus`. With a `CheckedImageGenerator`, `drawings` and `rejected_drawings`
      have what it writes as `tries` and `rejected`.

    Args:
        writer: an `EditPromptGenerator`, which writes descriptions and instructions; or an
            `EditInstructionGenerator`, which writes instructions for photographs of your own, at most `per_image` for
            each photograph.
        painter: draws the descriptions. A `CheckedImageGenerator` has a judge check each drawing before its edit is
            paid for. None: the writer looks at photographs.
        loop: edits and judges.
        quota: how many accepted rows of which operations are wanted, and for how much money. None: every row of the
            writer is tried once.

    Raises:
        ConfigError: a setting is wrong; the message names it.
    """

    description = "Writes, draws and edits until enough edits are accepted."
    description_zh = "撰写、绘制、编辑并评审，直到合格数量达标。"
    sides: Sequence[str] = (WRITTEN, DRAWN, SURPLUS, *ImageEditAcceptLoop.sides)
    reads_failures = True

    def __init__(
        self,
        writer: EditPromptGenerator | EditInstructionGenerator,
        painter: Painter | None,
        loop: ImageEditAcceptLoop,
        *,
        quota: Quota | None = None,
    ) -> None:
        self._parts = Parts(writer, painter, loop)
        super().__init__(self._parts.workers)
        self.quota, self.judge = quota, loop.judge
        if isinstance(painter, CheckedImageGenerator):
            self.sides = (*self.sides, *DRAWINGS.values())

    def run(
        self,
        storage: FileStorage | Step,
        *,
        input_image_key: str = "images",
        output_text_key: str = "input_text",
        output_conversation_key: str = "conversations",
        output_image_key: str = "edited_images",
        output_verdict_key: str = "verdict",
        retry_rejected: bool = False,
    ) -> Summary:
        """Make rows until the quota is met, cannot be met, or its money is spent.

        A later run with a larger quota goes on from these rows.

        Args:
            storage: the step, from `storage.step()`. Without photographs it is the first step of a `FileStorage`
                without `first_entry_file_name`.
            input_image_key: column with the photographs, or the column that gets the drawn pictures.
            output_text_key: column that gets the descriptions, one message for each picture to draw.
            output_conversation_key: column that gets the instruction.
            output_image_key: column that gets the accepted edit, as a list with one path.
            output_verdict_key: column that gets the verdict of the accepted edit.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError: a setting, a column or the input file is wrong, and nothing was spent; or the judge fails a
                canary.
            FatalAnswer: no request can succeed, for example because a key is wrong.
            MaxCostReached: `max_cost` leaves no room for the next request.
            NotStored: the disk is full or read-only.
            StepFailed: every row failed.
            Interrupted: a signal stopped the run.
        """
        step = storage.current if isinstance(storage, FileStorage) else storage
        if self.quota is not None:
            step = step.with_options(self.quota.within(step.options))
        outputs = (output_text_key, output_conversation_key, output_verdict_key, output_image_key)
        columns = Columns((input_image_key,), outputs, step.name_of)
        rows = self._parts.rows(step, self.quota, columns)
        inputs = (input_image_key,) if rows.reads_step else ()
        ends = (*outputs, input_image_key)
        return self.execute(step, inputs=inputs, outputs=ends, retry_rejected=retry_rejected, source=rows)

    def before(self) -> Steps | None:
        """Make the generator that asks the canaries of all judges."""
        return self._parts.before()

    def steps(self, row: Row, columns: Columns) -> Steps:
        """Make the generator of one row, which runs all parts one after another."""
        *outputs, images = columns.outputs
        return self._parts.steps(row, replace(columns, inputs=(images,), outputs=tuple(outputs)))

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Count the requests of all parts for one row."""
        return self._parts.expects(row)

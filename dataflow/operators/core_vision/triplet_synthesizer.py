"""From a brief or a photograph to an accepted edit in one step, so long as more of them are wanted."""

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
from dataflow.operators.core_vision.triplet_rows import WRITTEN
from dataflow.operators.core_vision.triplet_way import DRAWINGS, DRAWN, Painter, Way
from dataflow.quota.quota import Quota
from dataflow.utils.storage import FileStorage, Step


class TripletSynthesizer(GeneratorOperator):
    """Takes each row its whole way, so that what was accepted decides how many more are begun.

    Rows that come out have an accepted edit each. Beside the step's file lie what was written (`written`) and drawn
    (`drawn`), as three separate steps would leave it, the sides of the loop, and accepted rows beyond those wanted
    (`surplus`).

    Args:
        writer: writes descriptions and instructions; or an EditInstructionGenerator, which looks at photographs of
            one's own, each at most `per_image` times.
        painter: draws what is described; a CheckedImageGenerator has a judge look at each drawing before its edit is
            paid. None: photographs are there.
        loop: edits and judges.
        quota: how many accepted rows of what are wanted, and for how much; None: all that the writer writes, of which
            some may be rejected.

    Raises:
        ConfigError: a setting is wrong; says which.
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
        self._way = Way(writer, painter, loop)
        super().__init__(self._way.workers)
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
        """Make rows until the quota is met, cannot be, or its money is spent; a larger one goes on from there.

        Args:
            storage: `storage.step()`; without photographs the first of a FileStorage without first_entry_file_name.
            input_image_key: column of the pictures that are edited: of the photographs, or the one that the drawn get.
            output_text_key: column that gets a message per picture to draw.
            output_conversation_key: column that gets the instruction.
            output_image_key: column that gets the accepted edit, in a list.
            output_verdict_key: column that gets its verdict.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says; a judge that fails a canary.
        """
        step = storage.current if isinstance(storage, FileStorage) else storage
        if self.quota is not None:
            step = step.with_options(self.quota.within(step.options))
        outputs = (output_text_key, output_conversation_key, output_verdict_key, output_image_key)
        columns = Columns((input_image_key,), outputs, step.name_of)
        rows = self._way.rows(step, self.quota, columns)
        inputs = (input_image_key,) if rows.reads_step else ()
        ends = (*outputs, input_image_key)
        return self.execute(step, inputs=inputs, outputs=ends, retry_rejected=retry_rejected, source=rows)

    def before(self) -> Steps | None:
        """The canaries of the judges."""
        return self._way.before()

    def steps(self, row: Row, columns: Columns) -> Steps:
        """As the way says."""
        *outputs, images = columns.outputs
        return self._way.steps(row, replace(columns, inputs=(images,), outputs=tuple(outputs)))

    def expects(self, row: Row, columns: Columns) -> Expects:
        """What each part expects."""
        return self._way.expects(row)

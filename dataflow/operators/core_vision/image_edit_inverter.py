"""The operator that makes the inverse of each accepted edit: from the edit back to its source."""

from dataflow.core.records import Row
from dataflow.core.worker import JUDGE, Worker
from dataflow.flow.recipe import Expects, Steps
from dataflow.flow.summary import Summary
from dataflow.judging.judge import Judge
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_text.picture_questions import WRITER
from dataflow.operators.core_vision.image_edit_judge import ImageEditJudge
from dataflow.operators.core_vision.inverse import DOUBTFUL, REJECTED_INVERSES, Doubt, inverse_of
from dataflow.operators.core_vision.related import FORWARD, PASSED_OVER, edit_of, with_id
from dataflow.utils.storage import FileStorage, Step


class ImageEditInverter(GeneratorOperator):
    """Swaps source and edit of each accepted row: a writer says what leads back, and a judge decides.

    The operator edits nothing.

    - Rows in: rows with one source picture, the instruction, one edit and its verdict.
    - Rows out: each accepted row, with an `id` and the `relation` "forward". Behind it stands its inverse, if the judge
      accepts the inverse: the `relation` is "inverse", `parent_id` is the `id` of the forward row, and the instructions
      are in the languages of the forward row.
    - Side outputs: `rejected_inverses` has the inverses that the judge rejected. `doubtful` has the forward rows whose
      inverse has so low a score that the edit itself is in doubt, with both verdicts. `passed_over` has the rows
      without an inverse, with the `reason`: several pictures or edits, an operation that is not invertible, or no
      instruction of the writer.

    A row whose requests failed is a failed row and does not come out; the next run asks again.

    Args:
        writer: a vision-language model that sees both pictures.
        judge: a vision-language model that judges, or an `ImageEditJudge` with a rubric, thresholds or canaries of its
            own.
        doubt_below: a row is doubtful if its rejected inverse has a score below this number, 0 to 10. 0: no row is
            doubtful.
        drop_doubtful: True: doubtful rows stand in the side output only. False: they stand in the output, too.

    Raises:
        ConfigError: a setting is wrong; the message names it.
    """

    description = "Turns accepted edits round: from the edit back to its source."
    description_zh = "把合格的编辑反过来：从结果图回到原图。"
    sides = (REJECTED_INVERSES, DOUBTFUL, PASSED_OVER)
    twins = False
    reads_failures = True

    def __init__(
        self,
        writer: Worker,
        judge: Worker | ImageEditJudge,
        *,
        doubt_below: float = 5.0,
        drop_doubtful: bool = True,
    ) -> None:
        judging = judge if isinstance(judge, ImageEditJudge) else ImageEditJudge(judge)
        super().__init__({WRITER: writer, **judging.workers})
        self.judge: Judge = judging.judge
        self.taxonomy = judging.taxonomy
        self.doubt = Doubt(doubt_below, drop_doubtful)

    def run(
        self,
        storage: FileStorage | Step,
        *,
        input_image_key: str = "images",
        input_conversation_key: str = "conversations",
        input_edited_image_key: str = "edited_images",
        input_verdict_key: str = "verdict",
        retry_rejected: bool = False,
    ) -> Summary:
        """Make the inverse of every accepted row of the step.

        Args:
            storage: the step, from `storage.step()`.
            input_image_key: column with the path of the source picture.
            input_conversation_key: column with the messages; the last message of the user is the instruction.
            input_edited_image_key: column with the path of the edit.
            input_verdict_key: column with the verdict of the edit; a row without a verdict counts as accepted.
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
        return self.execute(
            storage,
            inputs=(input_image_key, input_conversation_key, input_edited_image_key),
            labels=input_verdict_key,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """Ask for the inverse of one row, and judge the inverse."""
        edit = edit_of(row, columns)
        forward = with_id(row, FORWARD, edit.id)
        found = yield from inverse_of(forward, edit, self.judge, self.taxonomy, columns)
        return self.doubt.rows(forward, found)

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Count one instruction, which is asked for at most twice, and its verdict."""
        return {WRITER: (1, 2), JUDGE: self.judge.expects}

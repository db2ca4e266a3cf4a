"""Accepted edits in; the same and those that lead back, judged, out."""

from dataflow.core.records import Row
from dataflow.core.worker import JUDGE, Worker
from dataflow.flow.recipe import Expects, Steps
from dataflow.flow.summary import Summary
from dataflow.judging.judge import Judge
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_text.seeing import WRITER
from dataflow.operators.core_vision.image_edit_judge import ImageEditJudge
from dataflow.operators.core_vision.inverse import DOUBTFUL, REJECTED_INVERSES, Doubt, inverse_of
from dataflow.operators.core_vision.related import FORWARD, PASSED_OVER, edit_of, identified
from dataflow.utils.storage import FileStorage, Step


class ImageEditInverter(GeneratorOperator):
    """Swaps source and edit: a writer says what leads back, a judge decides, and no edit is paid.

    Each accepted row comes out with an `id` and `relation` "forward", and behind it its inverse, if that is accepted:
    `relation` "inverse", the `id` of the row as `parent_id`, instructions in the languages of the row. Beside the
    step's file lie inverses that are rejected (`rejected_inverses`), rows of which the inverse did so badly that the
    edit itself is in doubt, with both verdicts (`doubtful`), and rows without an inverse, each with its `reason`
    (`passed_over`): several pictures or edits, an operation that is not invertible, a writer without words for it. A
    row of which nobody answered is a failed row: the next run asks again, and only then it comes out.

    Args:
        writer: a vision-language model; it sees both pictures.
        judge: a vision-language model that judges, or an `ImageEditJudge` with a rubric, thresholds or canaries.
        doubt_below: a row is doubtful if its inverse scores less, 0 to 10; 0: none is.
        drop_doubtful: leave doubtful rows out of the output; False: they stand in both.

    Raises:
        ConfigError: a setting is wrong; says which.
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
        """Turn every accepted row of the step round.

        Args:
            storage: `storage.step()`.
            input_image_key: column with the path of the picture that was edited.
            input_conversation_key: column with the instruction; the user's last message counts.
            input_edited_image_key: column with the path of the edit.
            input_verdict_key: column with its verdict; a row that has none is taken for accepted.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says; a judge that fails a canary.
        """
        return self.execute(
            storage,
            inputs=(input_image_key, input_conversation_key, input_edited_image_key),
            labels=input_verdict_key,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """The row, and what leads back."""
        edit = edit_of(row, columns)
        forward = identified(row, FORWARD, edit.id)
        found = yield from inverse_of(forward, edit, self.judge, self.taxonomy, columns)
        return self.doubt.rows(forward, found)

    def expects(self, row: Row, columns: Columns) -> Expects:
        """An instruction, put right at most once, and its verdict."""
        return {WRITER: (1, 2), JUDGE: self.judge.expects}

"""The operator that joins the instructions of an editing session in one instruction."""

from dataflow.core.records import Row, Side
from dataflow.core.worker import JUDGE, Worker
from dataflow.flow.recipe import Expects, Steps
from dataflow.flow.summary import Summary
from dataflow.judging.judge import Judge
from dataflow.judging.verdict import REJECTED
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_text.picture_questions import WRITER
from dataflow.operators.core_vision.composition import compose
from dataflow.operators.core_vision.image_edit_judge import ImageEditJudge
from dataflow.operators.core_vision.related import PASSED_OVER
from dataflow.utils.storage import FileStorage, Step


class ImageEditComposer(GeneratorOperator):
    """Makes one edit of all turns of a session: a writer joins the instructions, and a judge decides.

    The operator edits nothing. Turns that the session took back are no part of the joint instruction.

    - Rows in: the sessions that `ImageEditSession` writes.
    - Rows out: one row for each session: the first picture, the joint instruction, the last picture and the verdict.
      The column `relation` is "composition", `parent_id` is the `id` of the session.
    - Side outputs: `rejected` has the joint instructions that the judge rejected; `passed_over` has the sessions
      without a joint instruction, with the `reason`.

    A session whose requests failed is a failed row, and the next run asks again.

    Args:
        writer: a vision-language model that sees the first and the last picture.
        judge: a vision-language model that judges, or an `ImageEditJudge` with a rubric, thresholds or canaries of its
            own.

    Raises:
        ConfigError: a setting is wrong; the message names it.
    """

    description = "Joins the edits of a session in one instruction."
    description_zh = "把一段多轮编辑合成一条指令。"
    sides = (REJECTED, PASSED_OVER)
    twins = False
    reads_failures = True

    def __init__(self, writer: Worker, judge: Worker | ImageEditJudge) -> None:
        judging = judge if isinstance(judge, ImageEditJudge) else ImageEditJudge(judge)
        super().__init__({WRITER: writer, **judging.workers})
        self.judge: Judge = judging.judge
        self.taxonomy = judging.taxonomy

    def run(
        self,
        storage: FileStorage | Step,
        *,
        input_image_key: str = "images",
        input_conversation_key: str = "conversations",
        input_edited_image_key: str = "edited_images",
        input_turns_key: str = "turns",
        output_verdict_key: str = "verdict",
        retry_rejected: bool = False,
    ) -> Summary:
        """Join the turns of every session of the step.

        Args:
            storage: the step, from `storage.step()`.
            input_image_key: column with the path of the first picture.
            input_conversation_key: column of the messages; the new row gets the joint instruction in it.
            input_edited_image_key: column with the list of paths, one for each turn; the new row gets the last one.
            input_turns_key: column with the list of turns, as `ImageEditSession` writes it.
            output_verdict_key: column that gets the verdict on the joint instruction.
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
            inputs=(input_image_key, input_conversation_key, input_edited_image_key, input_turns_key),
            labels=output_verdict_key,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """Ask for the joint instruction of one session, and judge it."""
        found = yield from compose(row, self.judge, self.taxonomy, columns)
        if isinstance(found, str):
            return [Side(PASSED_OVER, {**row, "reason": found})]
        return [found.row if found.verdict.accepted else Side(REJECTED, found.row)]

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Count one instruction, which is asked for at most twice, and its verdict."""
        return {WRITER: (1, 2), JUDGE: self.judge.expects}

"""Sessions in; one instruction for all edits of each, judged from its first to its last picture, out."""

from dataflow.core.records import Row, Side
from dataflow.core.worker import JUDGE, Worker
from dataflow.flow.recipe import Expects, Steps
from dataflow.flow.summary import Summary
from dataflow.judging.judge import Judge
from dataflow.judging.verdict import REJECTED
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_text.seeing import WRITER
from dataflow.operators.core_vision.composition import composed
from dataflow.operators.core_vision.image_edit_judge import ImageEditJudge
from dataflow.operators.core_vision.related import PASSED_OVER
from dataflow.utils.storage import FileStorage, Step


class ImageEditComposer(GeneratorOperator):
    """Says the edits of a session in one: a writer joins the instructions, a judge decides, and no edit is paid.

    Each session of an `ImageEditSession` comes to one row: its first picture, the joint instruction, the last picture;
    `relation` "composition", the session's `id` as `parent_id`. Turns that it went back over are no part of it.
    Beside the step's file lie compositions that are rejected (`rejected`), and sessions without one, each with its
    `reason` (`passed_over`). A session of which nobody answered is a failed row, and the next run asks again.

    Args:
        writer: a vision-language model; it sees the first and the last picture.
        judge: a vision-language model that judges, or an `ImageEditJudge` with a rubric, thresholds or canaries.

    Raises:
        ConfigError: a setting is wrong; says which.
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
        """Compose every session of the step.

        Args:
            storage: `storage.step()`.
            input_image_key: column with the first picture.
            input_conversation_key: column of the messages; that of a composition has its instruction.
            input_edited_image_key: column with the picture of each turn.
            input_turns_key: column with what each turn asked for.
            output_verdict_key: column that gets the verdict on a composition.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says; a judge that fails a canary.
        """
        return self.execute(
            storage,
            inputs=(input_image_key, input_conversation_key, input_edited_image_key, input_turns_key),
            labels=output_verdict_key,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """The composition of a session."""
        found = yield from composed(row, self.judge, self.taxonomy, columns)
        if isinstance(found, str):
            return [Side(PASSED_OVER, {**row, "reason": found})]
        return [found.row if found.verdict.accepted else Side(REJECTED, found.row)]

    def expects(self, row: Row, columns: Columns) -> Expects:
        """An instruction, put right at most once, and its verdict."""
        return {WRITER: (1, 2), JUDGE: self.judge.expects}

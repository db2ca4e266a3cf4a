"""Descriptions in, drawn pictures that can be edited out."""

from pathlib import Path

from dataflow.core.records import Row
from dataflow.core.worker import JUDGE, Worker
from dataflow.flow.recipe import Expects, Steps
from dataflow.flow.summary import Summary
from dataflow.judging.condition import make_check
from dataflow.judging.rubric import Rubric
from dataflow.judging.tries import TRIES, standing_edits
from dataflow.judging.verdict import CONDITION, REJECTED, THRESHOLD, Thresholds
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_vision.prompted_image_generator import PromptedImageGenerator
from dataflow.utils.storage import FileStorage, Step


class CheckedImageGenerator(GeneratorOperator):
    """Draws as `PromptedImageGenerator` does, and draws again what a judge does not accept.

    Rows that come out have accepted pictures alone and a `condition_verdict`; of a row with several pictures it is a
    list. Beside the step's file lie the rows with a picture of which every drawing was rejected (`rejected`), so that
    no edit of these is paid, and every drawing with its verdict (`tries`).

    Args:
        t2i_serving: what draws.
        judge_serving: a vision-language model that judges.
        redraws: how often a picture is drawn again at most.
        rubric: what the judge is asked, or the path of a rubric file; None: the shipped one about drawings.
        thresholds: the least number, 0 to 10, that each axis needs: one for all, or by axis.
        passes: how often the judge is asked; the means count.
        asks: how often it is asked at most until its answer can be read.
        canaries: drawings with known answers, which are asked once before anything else: True: the shipped
            photographs; a path: of one's own; False: none.
        repeat_times: pictures per message; None: as many as the serving was set up to make.
        save_interval: answers after which the journal reaches the disk at the latest.

    Raises:
        ConfigError: a setting is wrong; says which.
    """

    description = "Draws pictures until a judge accepts them."
    description_zh = "按描述绘制图片，不合格则重画。"
    sides = (REJECTED, TRIES)

    def __init__(
        self,
        t2i_serving: Worker,
        judge_serving: Worker,
        *,
        redraws: int = 2,
        rubric: Rubric | str | Path | None = None,
        thresholds: Thresholds = THRESHOLD,
        passes: int = 1,
        asks: int = 2,
        canaries: bool | str | Path = True,
        repeat_times: int | None = None,
        save_interval: int = 64,
    ) -> None:
        self._drawer = PromptedImageGenerator(t2i_serving, repeat_times=repeat_times)
        super().__init__({**self._drawer.workers, JUDGE: judge_serving}, save_interval=save_interval)
        check = make_check(judge_serving, rubric, thresholds, redraws, passes=passes, asks=asks, canaries=canaries)
        self._check, self.judge = check, check.judge

    def run(
        self,
        storage: FileStorage | Step,
        *,
        input_conversation_key: str = "conversations",
        input_instruction_key: str | None = None,
        output_image_key: str = "images",
        output_verdict_key: str = CONDITION,
        overwrite: bool = False,
        retry_rejected: bool = False,
    ) -> Summary:
        """Draw for every row of the step.

        Args:
            storage: `storage.step()`.
            input_conversation_key: column with the messages, one for each description.
            input_instruction_key: column with the instruction by which the pictures will be edited, the user's last
                message; None: nobody knows yet, and the axis `target` tells nothing.
            output_image_key: column that gets the list of paths. Pictures that stand there are the first drawings.
            output_verdict_key: column that gets the verdict; a row that has one is kept as it is.
            overwrite: judge again although there is a verdict.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says; a judge that fails a canary.
        """
        return self.execute(
            storage,
            inputs=(input_conversation_key, *([input_instruction_key] if input_instruction_key else [])),
            outputs=(output_verdict_key, output_image_key),
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """As the check says; the first wave is what `PromptedImageGenerator` asks."""
        (conversation, *instruction), (verdict, images) = columns.inputs, columns.outputs
        first, each = self._drawer.plan(row, Columns((conversation,))), self._drawer.repeat_times
        return self._check.rows(row, first, *instruction, images=images, verdict=verdict, each=each)

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Every drawing, at the pass rate that a dry run assumes; while the messages are not there, of one."""
        there = self._drawer.plan(row, Columns(columns.inputs[:1])) if row.get(columns.inputs[0]) else ()
        standing = standing_edits(row, columns.outputs[1])
        return self._check.expects(len(there) or self._drawer.repeat_times, len(standing))

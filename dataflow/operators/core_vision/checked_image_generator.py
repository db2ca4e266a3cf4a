"""The operator that draws a picture for each description and has a judge check each picture."""

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
    """Draws pictures as `PromptedImageGenerator` does, and draws a picture again while a judge rejects it.

    - Rows in: a column of messages, one message for each picture.
    - Rows out: the rows of which the judge accepted every picture. The column `images` has the paths of the pictures,
      the column `condition_verdict` the verdict, or a list of verdicts if the row has several pictures.
    - Side outputs: `rejected` has the rows with a picture of which every drawing was rejected, so that a later step
      pays for no edit of them; `tries` has one row for each drawing, with its verdict.

    Args:
        t2i_serving: draws the pictures.
        judge_serving: a vision-language model that judges the drawings.
        redraws: greatest number of further drawings of one picture, from 0.
        rubric: a rubric, or the path of a rubric file; None: the shipped rubric about drawings.
        thresholds: the least number, 0 to 10, that each axis needs: one number for all axes, or a mapping by axis, or
            the path of a `thresholds.json`.
        passes: number of times that the judge is asked each question; the means of its numbers count.
        asks: greatest number of times that a question is asked until its answer can be read.
        canaries: drawings with known answers, about which the judge is asked before the first row. True: the shipped
            photographs; a path: a file of canaries; False: none.
        repeat_times: pictures for each message; None: as many as the serving is set up to make for a prompt.
        save_interval: number of answers after which the journal is flushed to the disk at the latest.

    Raises:
        ConfigError: a setting is wrong; the message names it.
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
        """Draw and judge the pictures of every row of the step.

        Args:
            storage: the step, from `storage.step()`.
            input_conversation_key: column with the messages; each message of the user describes one picture.
            input_instruction_key: column with the instruction by which the pictures will be edited later; the last
                message of the user counts. None: the instruction is not known yet, and the axis `target` says nothing.
            output_image_key: column that gets the list of paths. Pictures that the column holds already count as the
                first drawings.
            output_verdict_key: column that gets the verdict; a row with a value in it stays as it is.
            overwrite: also judge rows that have a verdict.
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
            inputs=(input_conversation_key, *([input_instruction_key] if input_instruction_key else [])),
            outputs=(output_verdict_key, output_image_key),
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """Draw and judge by `ConditionCheck.rows`; the first wave equals that of `PromptedImageGenerator`."""
        (conversation, *instruction), (verdict, images) = columns.inputs, columns.outputs
        first, copies = self._drawer.plan(row, Columns((conversation,))), self._drawer.repeat_times
        return self._check.rows(row, first, *instruction, images=images, verdict=verdict, copies=copies)

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Count all drawings and verdicts at an assumed pass rate; a row without messages counts as one message."""
        there = self._drawer.plan(row, Columns(columns.inputs[:1])) if row.get(columns.inputs[0]) else ()
        standing = standing_edits(row, columns.outputs[1])
        return self._check.expects(len(there) or self._drawer.repeat_times, len(standing))

"""The operator that has a judge give a verdict on each edit."""

from pathlib import Path

from dataflow.core.columns import picture_paths, prompts
from dataflow.core.records import Row
from dataflow.core.worker import JUDGE, Worker
from dataflow.flow.recipe import Expects, Steps
from dataflow.flow.summary import Summary
from dataflow.judging.judge import Judge, make_judge
from dataflow.judging.no_ops import with_no_op
from dataflow.judging.rubric import Rubric, kind_of
from dataflow.judging.verdict import THRESHOLD, Thresholds, columns_of, count_sides
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.taxonomy.taxonomy import Taxonomy, shipped_taxonomy
from dataflow.utils.storage import FileStorage, Step


class ImageEditJudge(GeneratorOperator):
    """Judges edits by their source pictures and their instruction. The operator edits nothing.

    - Rows in: a column of source pictures, a column of messages with the instruction, and a column of edits.
    - Rows out: all rows. The column `verdict` gets the verdict: the number of each axis, the score, the critique, and
      the digests of judge and rubric. The column `accepted` gets true, false, or null if the judge's answer could not
      be read. Both are lists if the row has several edits.

    A row for which the judge's server failed is a failed row, and the next run asks again.

    Args:
        judge_serving: a vision-language model.
        rubric: a rubric, or the path of a rubric file; None: the shipped rubric about edits.
        thresholds: the least number, 0 to 10, that each axis needs: one number for all axes, or a mapping by axis, or
            the path of a `thresholds.json` that was calibrated for this judge and rubric. A run with other thresholds
            asks nothing again.
        passes: number of times that each question is asked; the means of the numbers count.
        asks: greatest number of times that a question is asked until its answer can be read. A later run with a
            greater number asks only about the unjudged edits.
        canaries: pairs of pictures with known answers, about which the judge is asked before the first row. True: the
            shipped photographs; a path: a file of canaries; False: none. With canaries, one row in fifty also has the
            judge look at a source picture as if it were an edit of itself; the summary counts these no-ops and how
            many of them the judge accepted.
        taxonomy: says how an edit is judged, by the operation in the row's column `sub_type`; None: the shipped
            taxonomy.
        save_interval: number of answers after which the journal is flushed to the disk at the latest.

    Raises:
        ConfigError: a setting is wrong; the message names it.
    """

    description = "Judges edited pictures and says why."
    description_zh = "评判编辑结果并给出理由。"
    twins = False

    def __init__(
        self,
        judge_serving: Worker,
        *,
        rubric: Rubric | str | Path | None = None,
        thresholds: Thresholds = THRESHOLD,
        passes: int = 1,
        asks: int = 2,
        canaries: bool | str | Path = True,
        taxonomy: Taxonomy | None = None,
        save_interval: int = 64,
    ) -> None:
        super().__init__({JUDGE: judge_serving}, save_interval=save_interval)
        self.judge: Judge = make_judge(judge_serving, rubric, thresholds, passes=passes, asks=asks, canaries=canaries)
        self.taxonomy = taxonomy or shipped_taxonomy()

    def run(
        self,
        storage: FileStorage | Step,
        *,
        input_image_key: str = "images",
        input_conversation_key: str = "conversations",
        input_edited_image_key: str = "edited_images",
        output_verdict_key: str = "verdict",
        output_accepted_key: str = "accepted",
        overwrite: bool = False,
        retry_rejected: bool = False,
    ) -> Summary:
        """Judge every row of the step.

        Args:
            storage: the step, from `storage.step()`.
            input_image_key: column with the path, or a list of the paths, of the source pictures.
            input_conversation_key: column with the messages; the last message of the user is the instruction.
            input_edited_image_key: column with the path, or a list of the paths, of the edits.
            output_verdict_key: column that gets the verdict; a row with a value in it stays as it is.
            output_accepted_key: column that gets true, false or null.
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
            inputs=(input_image_key, input_conversation_key, input_edited_image_key),
            outputs=(output_verdict_key, output_accepted_key),
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """Ask for the verdicts on all edits of one row at once."""
        images, conversation, edited = columns.inputs
        sources, edits = picture_paths(row[images], images), picture_paths(row[edited], edited)
        instruction, kind = prompts(row[conversation], conversation)[-1], kind_of(row, self.taxonomy)
        asking = [self.judge.judge(sources, edit, instruction, kind) for edit in edits]
        verdicts, no_ops = yield from with_no_op(asking, self.judge, sources, instruction)
        return [row | dict(zip(columns.outputs, columns_of(verdicts), strict=True)), *count_sides(verdicts), *no_ops]

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Count the questions about one edit: usually asked once, at most `asks` times."""
        return {JUDGE: self.judge.expects}

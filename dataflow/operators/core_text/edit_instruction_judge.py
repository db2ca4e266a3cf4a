"""The operator that has a judge say whether each instruction is clear, and possible in its picture."""

from pathlib import Path

from dataflow.core.columns import picture_paths, prompts
from dataflow.core.records import Row
from dataflow.core.worker import JUDGE, Worker
from dataflow.flow.recipe import Expects, Steps
from dataflow.flow.summary import Summary
from dataflow.judging.judge import Judge, make_judge
from dataflow.judging.rubric import Rubric, kind_of, shipped_rubric
from dataflow.judging.verdict import THRESHOLD, Thresholds
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.taxonomy.taxonomy import Taxonomy, shipped_taxonomy
from dataflow.utils.storage import FileStorage, Step


class EditInstructionJudge(GeneratorOperator):
    """Judges each instruction by the pictures that it is for, before an edit is paid for.

    - Rows in: a column of pictures, and a column of messages with the instruction.
    - Rows out: all rows. The column `instruction_verdict` gets the verdict, the column `instruction_accepted` true,
      false, or null if the judge's answer could not be read.

    Args:
        judge_serving: a vision-language model.
        rubric: a rubric, or the path of a rubric file; None: the shipped rubric about instructions.
        thresholds: the least number, 0 to 10, that each axis needs: one number for all axes, or a mapping by axis.
        passes: number of times that the question is asked; the means of the numbers count.
        asks: greatest number of times that a question is asked until its answer can be read. A later run with a
            greater number asks only about the unjudged instructions.
        taxonomy: says what makes an instruction good, by the operation in the row's column `sub_type`; None: the
            shipped taxonomy.
        save_interval: number of answers after which the journal is flushed to the disk at the latest.

    Raises:
        ConfigError: a setting is wrong; the message names it.
    """

    description = "Judges whether instructions are clear and possible."
    description_zh = "评判编辑指令是否清晰可行。"
    twins = False

    def __init__(
        self,
        judge_serving: Worker,
        *,
        rubric: Rubric | str | Path | None = None,
        thresholds: Thresholds = THRESHOLD,
        passes: int = 1,
        asks: int = 2,
        taxonomy: Taxonomy | None = None,
        save_interval: int = 64,
    ) -> None:
        super().__init__({JUDGE: judge_serving}, save_interval=save_interval)
        asked = rubric or shipped_rubric("instruction")
        self.judge: Judge = make_judge(judge_serving, asked, thresholds, passes=passes, asks=asks, canaries=False)
        self.taxonomy = taxonomy or shipped_taxonomy()

    def run(
        self,
        storage: FileStorage | Step,
        *,
        input_image_key: str = "images",
        input_conversation_key: str = "conversations",
        output_verdict_key: str = "instruction_verdict",
        output_accepted_key: str = "instruction_accepted",
        overwrite: bool = False,
        retry_rejected: bool = False,
    ) -> Summary:
        """Judge the instruction of every row of the step.

        Args:
            storage: the step, from `storage.step()`.
            input_image_key: column with the path, or a list of the paths, of the pictures that will be edited.
            input_conversation_key: column with the messages; the last message of the user is the instruction.
            output_verdict_key: column that gets the verdict; a row with a value in it stays as it is.
            output_accepted_key: column that gets true, false or null.
            overwrite: also judge rows that have a verdict.
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
            outputs=(output_verdict_key, output_accepted_key),
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """Ask for the verdict on one instruction."""
        images, conversation = columns.inputs
        instruction, kind = prompts(row[conversation], conversation)[-1], kind_of(row, self.taxonomy)
        verdict = yield from self.judge.judge(picture_paths(row[images], images), "", instruction, kind)
        return [{**row, columns.outputs[0]: verdict.as_row(), columns.outputs[1]: verdict.accepted}]

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Count the question about one instruction: usually asked once, at most `asks` times."""
        return {JUDGE: self.judge.expects}

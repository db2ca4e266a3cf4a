"""Instructions in; whether each is clear, and possible in its picture, out."""

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
    """Judges instructions by the pictures they are for, before an edit is paid.

    A row gets `instruction_verdict` and `instruction_accepted`: true, false, or null where the judge's answer could not
    be read.

    Args:
        judge_serving: a vision-language model.
        rubric: what it is asked, or the path of a rubric file; None: the shipped one about instructions.
        thresholds: the least number, 0 to 10, that each axis needs: one for all, or by axis.
        passes: how often it is asked; the means count.
        asks: how often a question is asked at most until its answer can be read. A later run with more of them asks
            only what was left unjudged.
        taxonomy: says by the row's `sub_type` what makes an instruction good.
        save_interval: answers after which the journal reaches the disk at the latest.

    Raises:
        ConfigError: a setting is wrong; says which.
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
            storage: `storage.step()`.
            input_image_key: column with the path, or paths, that are to be edited.
            input_conversation_key: column with the instruction; the user's last message counts.
            output_verdict_key: column that gets the verdict.
            output_accepted_key: column that gets true, false or null.
            overwrite: judge again although there is a verdict.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says.
        """
        return self.execute(
            storage,
            inputs=(input_image_key, input_conversation_key),
            outputs=(output_verdict_key, output_accepted_key),
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """One verdict."""
        images, conversation = columns.inputs
        instruction, kind = prompts(row[conversation], conversation)[-1], kind_of(row, self.taxonomy)
        verdict = yield from self.judge.judge(picture_paths(row[images], images), "", instruction, kind)
        return [{**row, columns.outputs[0]: verdict.as_row(), columns.outputs[1]: verdict.accepted}]

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Its question, usually once and at most `asks` times."""
        return {JUDGE: self.judge.expects}

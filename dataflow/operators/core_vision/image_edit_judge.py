"""Edits in; what a judge makes of each out."""

from pathlib import Path

from dataflow.core.columns import picture_paths, prompts
from dataflow.core.records import Row
from dataflow.core.worker import JUDGE, Worker
from dataflow.flow.recipe import Expects, Steps
from dataflow.flow.summary import Summary
from dataflow.judging.judge import Judge, make_judge
from dataflow.judging.no_ops import with_no_op
from dataflow.judging.rubric import Rubric, kind_of
from dataflow.judging.verdict import THRESHOLD, Thresholds, columns_of, counted
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.taxonomy.taxonomy import Taxonomy, shipped_taxonomy
from dataflow.utils.storage import FileStorage, Step


class ImageEditJudge(GeneratorOperator):
    """Judges edited pictures by their sources and instruction, and edits nothing.

    A row gets `verdict` (numbers by axis, score, critique, who judged) and `accepted`: true, false, or null where the
    judge's answer could not be read. Of a row with several edits both are lists. A row of which the judge was asked in
    vain is a failed row, and the next run asks again.

    Args:
        judge_serving: a vision-language model.
        rubric: what it is asked, or the path of a rubric file; None: the shipped one.
        thresholds: the least number, 0 to 10, that each axis needs: one for all, by axis, or the path of a
            `thresholds.json` that was calibrated for this judge and rubric. Another threshold asks nothing again.
        passes: how often each question is asked; the means count.
        asks: how often a question is asked at most until its answer can be read. A later run with more of them asks
            only what was left unjudged.
        canaries: pairs with known answers, which are asked once before anything else: True: the shipped photographs; a
            path: of one's own; False: none. With them the judge is also shown a source of one row in fifty as an edit
            of itself; the summary tells how many of these it accepted.
        taxonomy: says by the row's `sub_type` how its edit is judged.
        save_interval: answers after which the journal reaches the disk at the latest.

    Raises:
        ConfigError: a setting is wrong; says which.
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
            storage: `storage.step()`.
            input_image_key: column with the path, or paths, that the edit started from.
            input_conversation_key: column with the instruction; the user's last message counts.
            input_edited_image_key: column with the path, or paths, of edits.
            output_verdict_key: column that gets the verdict.
            output_accepted_key: column that gets true, false or null.
            overwrite: judge again although there is a verdict.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says; a judge that fails a canary.
        """
        return self.execute(
            storage,
            inputs=(input_image_key, input_conversation_key, input_edited_image_key),
            outputs=(output_verdict_key, output_accepted_key),
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """A verdict for each edit, all asked at once."""
        images, conversation, edited = columns.inputs
        sources, edits = picture_paths(row[images], images), picture_paths(row[edited], edited)
        instruction, kind = prompts(row[conversation], conversation)[-1], kind_of(row, self.taxonomy)
        asking = [self.judge.judge(sources, edit, instruction, kind) for edit in edits]
        verdicts, no_ops = yield from with_no_op(asking, self.judge, sources, instruction)
        return [row | dict(zip(columns.outputs, columns_of(verdicts), strict=True)), *counted(verdicts), *no_ops]

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Each question of each edit, usually once and at most `asks` times."""
        return {JUDGE: self.judge.expects}

"""Pictures and an instruction in, an edit that a judge accepted out."""

from dataflow.core.records import Row
from dataflow.core.worker import Worker
from dataflow.flow.recipe import Expects, Steps
from dataflow.flow.summary import Summary
from dataflow.judging.loop import AcceptLoop
from dataflow.judging.tries import EDITOR, REWRITER, SIDES, Retry, standing_edits
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_vision.image_edit_gate_filter import ImageEditGateFilter
from dataflow.operators.core_vision.image_edit_judge import ImageEditJudge
from dataflow.utils.storage import FileStorage, Step


class ImageEditAcceptLoop(GeneratorOperator):
    """Edits, measures, judges, and tries again until an edit is accepted.

    Rows that come out have one accepted edit and its `verdict`. Beside the step's file lie those of which every try was
    rejected (`rejected`), every picture with its verdict (`tries`), and accepted edits beside rejected ones (`pairs`).

    Args:
        image_edit_serving: what edits.
        judge: a vision-language model that judges, or an `ImageEditJudge` with a rubric, thresholds or canaries.
        tries: at most, for each row.
        candidates: edits of each try.
        retry: how a further try asks. "reword": the row's other `instructions` in turn, then the rewriter, then as
            "critique": the instruction with what was wrong. "resample": the same again. Or a function of the
            instruction, the verdict and the number of the try that returns what to ask.
        rewriter: a language model that says an instruction in other words.
        pairwise: of several that are accepted in a try the judge chooses, in both orders; else the best score wins.
        margin: by how much an axis must be ahead in `pairs`.
        gates: what an edit must pass before it is judged; True: `ImageEditGateFilter()`; False: nothing is measured.

    Raises:
        ConfigError: a setting is wrong; says which.
    """

    description = "Edits pictures until a judge accepts the edit."
    description_zh = "反复编辑图片，直到评审通过。"
    sides = SIDES

    def __init__(
        self,
        image_edit_serving: Worker,
        judge: Worker | ImageEditJudge,
        *,
        tries: int = 2,
        candidates: int = 1,
        retry: Retry = "reword",
        rewriter: Worker | None = None,
        pairwise: bool = False,
        margin: float = 2.0,
        gates: ImageEditGateFilter | bool = True,
    ) -> None:
        judge = judge if isinstance(judge, ImageEditJudge) else ImageEditJudge(judge)
        filtered = ImageEditGateFilter() if gates is True else gates or None
        workers = {EDITOR: image_edit_serving, **judge.workers, **(filtered.workers if filtered else {})}
        super().__init__(workers | ({REWRITER: rewriter} if rewriter else {}))
        self.judge, held_to = judge.judge, filtered.gates if filtered else None
        has_rewriter, taxonomy = rewriter is not None, judge.taxonomy
        self.loop = AcceptLoop(self.judge, held_to, tries, candidates, retry, has_rewriter, pairwise, margin, taxonomy)

    def run(
        self,
        storage: FileStorage | Step,
        *,
        input_image_key: str = "images",
        input_conversation_key: str = "conversations",
        input_mask_key: str | None = None,
        output_image_key: str = "edited_images",
        output_verdict_key: str = "verdict",
        overwrite: bool = False,
        retry_rejected: bool = False,
    ) -> Summary:
        """Try every row of the step.

        Args:
            storage: `storage.step()`.
            input_image_key: column with one path or a list of paths.
            input_conversation_key: column with the messages; the last one of the user counts.
            input_mask_key: column with the path of a mask for the first picture; None: no row has one.
            output_image_key: column that gets the accepted edit, in a list. What stands there is the row's first try.
            output_verdict_key: column that gets the verdict; a row that has one is kept as it is.
            overwrite: judge again although there is a verdict.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says; a judge that fails a canary.
        """
        return self.execute(
            storage,
            inputs=(input_image_key, input_conversation_key),
            optional=input_mask_key or (),
            masked=(EDITOR,) if input_mask_key else (),
            outputs=(output_verdict_key, output_image_key),
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """As the loop says."""
        (verdict, edited), mask = columns.outputs, next(iter(columns.optional), None)
        return self.loop.rows(row, *columns.inputs, verdict=verdict, edited=edited, mask=mask)

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Every try, at the pass rates that a dry run assumes."""
        return self.loop.expects(len(standing_edits(row, columns.outputs[1])))

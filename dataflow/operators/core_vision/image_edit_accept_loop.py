"""The operator that edits each row's pictures until a judge accepts an edit."""

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
    """Edits the pictures of a row, measures and judges each edit, and tries again until one is accepted.

    - Rows in: a column of source pictures, and a column of messages with the instruction.
    - Rows out: the rows with an accepted edit. The column `edited_images` has a list with its one path, the column
      `verdict` its verdict, with the number of tries (`tries`) and the cost of the whole row in the currency (`cost`).
    - Side outputs: `rejected` has the rows of which no edit was accepted; `tries` has one row for each edit, with its
      verdict; `pairs` has one row for each pair of an accepted and a rejected edit, the accepted one first.

    Args:
        image_edit_serving: edits the pictures.
        judge: a vision-language model that judges, or an `ImageEditJudge` with a rubric, thresholds or canaries of its
            own.
        tries: greatest number of tries of a row, from 1.
        candidates: edits in each try, from 1.
        retry: the prompt of a further try. "resample": the instruction again. "critique": the instruction and the
            judge's critique of the best edit so far. "reword": the row's other `instructions` in turn, then the answer
            of the rewriter, if there is one, then as "critique". Or a function that takes the instruction, the verdict
            of the best edit so far and the number of the try (from 1), and returns the prompt.
        rewriter: a language model that says an instruction in other words, for `retry="reword"`; None: there is none.
        pairwise: True: if several edits of a try are accepted, the judge compares them pair by pair, in both orders.
            False: the edit with the best score wins.
        margin: number of points, 0 to 10, by which the accepted edit of a pair must lead on an axis.
        gates: the measurements that an edit must pass before it is judged. True: `ImageEditGateFilter()`; False:
            nothing is measured.

    Raises:
        ConfigError: a setting is wrong; the message names it.
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
        """Edit and judge every row of the step.

        Args:
            storage: the step, from `storage.step()`.
            input_image_key: column with the path, or a list of the paths, of the source pictures.
            input_conversation_key: column with the messages; the last message of the user is the instruction.
            input_mask_key: column with the path of a mask for the first picture, white where it may change; None: no
                row has a mask.
            output_image_key: column that gets the accepted edit, as a list with one path. Edits that the column holds
                already count as the first try.
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
            inputs=(input_image_key, input_conversation_key),
            optional=input_mask_key or (),
            masked=(EDITOR,) if input_mask_key else (),
            outputs=(output_verdict_key, output_image_key),
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """Edit and judge one row by `AcceptLoop.rows`."""
        (verdict, edited), mask = columns.outputs, next(iter(columns.optional), None)
        return self.loop.rows(row, *columns.inputs, verdict=verdict, edited=edited, mask=mask)

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Count the requests of all tries, at assumed pass rates."""
        return self.loop.expects(len(standing_edits(row, columns.outputs[1])))

"""Pictures in; conversations of several accepted edits out."""

from collections.abc import Sequence

from dataflow.core.columns import picture_paths
from dataflow.core.records import Row
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError
from dataflow.flow.recipe import Expects, Steps
from dataflow.flow.summary import Summary
from dataflow.judging.tries import PAIRS, TRIES
from dataflow.judging.verdict import REJECTED
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_text.seeing import WRITER
from dataflow.operators.core_vision.image_edit_accept_loop import ImageEditAcceptLoop
from dataflow.operators.core_vision.session import LEAST, MOST, REJECTED_TURNS, TURNS, Hold
from dataflow.taxonomy.taxonomy import LANGUAGES, Taxonomy, check_languages, shipped_taxonomy
from dataflow.utils.storage import FileStorage, Step


class ImageEditSession(GeneratorOperator):
    """Edits each row's first picture in a conversation of 2 to 5 turns.

    Of each turn a writer sees the picture and what was said; the turn may call a thing "it", or go back a version. The
    loop edits and judges it beside the picture that it edits, and its gates hold it against the first picture, too. A
    turn that is not accepted ends the session, which counts from two turns on.

    Beside the step's file lie the turns as rows of one edit (`turns`), sessions of fewer than two turns (`rejected`),
    and, as the loop leaves them, `rejected_turns`, `tries` and `pairs`.

    Args:
        writer: a vision-language model.
        loop: edits and judges.
        turns: how many a session is meant to have, or the fewest and the most, of which is drawn.
        taxonomy: of edits; None: that of the loop.
        languages: "en", "zh" or both; every turn is said in each.
        seed: draws other lengths, operations and references for another one.

    Raises:
        ConfigError: a setting is wrong; says which.
    """

    description = "Edits pictures turn by turn in a conversation."
    description_zh = "多轮对话式地编辑图片。"
    adds = (TURNS,)
    sides = (TURNS, REJECTED, REJECTED_TURNS, TRIES, PAIRS)

    def __init__(
        self,
        writer: Worker,
        loop: ImageEditAcceptLoop,
        *,
        turns: int | tuple[int, int] = (LEAST, MOST),
        taxonomy: Taxonomy | None = None,
        languages: Sequence[str] = LANGUAGES,
        seed: int = 0,
    ) -> None:
        fewest, most = (turns, turns) if isinstance(turns, int) else turns
        if not LEAST <= fewest <= most <= MOST:
            raise ConfigError(f"turns is {turns}: give a number from {LEAST} to {MOST}, or the fewest and the most")
        super().__init__({WRITER: writer, **loop.workers})
        self.judge, edits = loop.judge, taxonomy or loop.loop.taxonomy or shipped_taxonomy()
        self.hold = Hold(loop.loop, edits, check_languages(languages), (fewest, most), seed)

    def run(
        self,
        storage: FileStorage | Step,
        *,
        input_image_key: str = "images",
        output_conversation_key: str = "conversations",
        output_image_key: str = "edited_images",
        output_verdict_key: str = "verdict",
        overwrite: bool = False,
        retry_rejected: bool = False,
    ) -> Summary:
        """Hold a session about every row of the step.

        Args:
            storage: `storage.step()`.
            input_image_key: column with one path or a list of paths; the first picture counts.
            output_conversation_key: column that gets the messages.
            output_image_key: column that gets the picture of each turn, in order.
            output_verdict_key: column that gets the verdict of each turn; a row that has some is kept as it is.
            overwrite: hold the session although there are verdicts.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says; a judge that fails a canary.
        """
        return self.execute(
            storage,
            inputs=input_image_key,
            outputs=(output_verdict_key, output_conversation_key, output_image_key),
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """One session."""
        return self.hold.session(row, picture_paths(row[columns.inputs[0]], columns.inputs[0])[0], columns)

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Each turn, written and tried at the pass rates that a dry run assumes."""
        fewest, most = self.hold.turns
        turn = {WRITER: (1, 2), **self.hold.loop.expects()}
        return {name: ((fewest + most) / 2 * usual, most * at_most) for name, (usual, at_most) in turn.items()}

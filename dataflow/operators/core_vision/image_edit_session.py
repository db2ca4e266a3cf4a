"""The operator that edits a picture turn by turn, in a conversation."""

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
from dataflow.operators.core_text.picture_questions import WRITER
from dataflow.operators.core_vision.image_edit_accept_loop import ImageEditAcceptLoop
from dataflow.operators.core_vision.session import LEAST, MOST, REJECTED_TURNS, TURNS, SessionSettings
from dataflow.taxonomy.taxonomy import LANGUAGES, Taxonomy, check_languages, shipped_taxonomy
from dataflow.utils.storage import FileStorage, Step


class ImageEditSession(GeneratorOperator):
    """Edits the first picture of each row in a session: a conversation of 2 to 5 turns.

    For each turn a writer sees the picture and the instructions so far, and writes the next instruction. A turn may
    say "it" for the thing of the turn before, or go back to an earlier picture. The loop edits and judges the turn
    against the picture that the turn edits; its gates also measure the edit against the first picture of the session.
    A turn without an accepted edit ends the session.

    - Rows in: a column of pictures.
    - Rows out: the sessions of two turns or more. The column `conversations` has the messages of user and model,
      `edited_images` the path of each turn's edit, `verdict` the verdict of each turn, `turns` what each turn asked
      for, which picture it edited and its operation. The session also gets `id`, `parent_id`, `relation` ("session"),
      `instructions` and `language`.
    - Side outputs: `turns` has each accepted turn as a row of one edit; `rejected` has the sessions of fewer than two
      turns, with the `reason`; `rejected_turns`, `tries` and `pairs` have what `ImageEditAcceptLoop` writes as
      `rejected`, `tries` and `pairs`.

    Args:
        writer: a vision-language model.
        loop: edits and judges each turn.
        turns: number of turns that a session shall have, or (fewest, most), between which the number is drawn.
        taxonomy: the operations; None: the taxonomy of the loop.
        languages: "en", "zh" or both; every turn is written in each.
        seed: another seed draws other numbers of turns, other operations and other references.

    Raises:
        ConfigError: a setting is wrong; the message names it.
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
        self.settings = SessionSettings(loop.loop, edits, check_languages(languages), (fewest, most), seed)

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
        """Make a session of every row of the step.

        Args:
            storage: the step, from `storage.step()`.
            input_image_key: column with one path or a list of paths; the first picture counts.
            output_conversation_key: column that gets the messages.
            output_image_key: column that gets the list of paths, one for each turn.
            output_verdict_key: column that gets the list of verdicts, one for each turn; a row with a value in it
                stays as it is.
            overwrite: also make sessions of rows that have verdicts.
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
            inputs=input_image_key,
            outputs=(output_verdict_key, output_conversation_key, output_image_key),
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """Write, edit and judge the turns of one session."""
        return self.settings.session(row, picture_paths(row[columns.inputs[0]], columns.inputs[0])[0], columns)

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Count the requests of all turns, at assumed pass rates."""
        fewest, most = self.settings.turns
        turn = {WRITER: (1, 2), **self.settings.loop.expects()}
        return {name: ((fewest + most) / 2 * usual, most * at_most) for name, (usual, at_most) in turn.items()}

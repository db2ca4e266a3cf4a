"""Writes, edits and judges the turns of a session about one picture, as a part of an operator's generator.

The requests of each turn follow from the seed and from earlier answers alone, so a resumed run asks the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dataflow.core.records import Row, Side
from dataflow.errors import AnswerError, RowError
from dataflow.gates.measured import gauging, read_measures
from dataflow.judging.loop import AcceptLoop
from dataflow.judging.outcome_rows import rows_of
from dataflow.judging.rubric import kind_of
from dataflow.judging.together import Asking
from dataflow.judging.tries import GAUGE, Outcome, Task
from dataflow.judging.verdict import REJECTED
from dataflow.operators.base import Columns
from dataflow.operators.core_text.choice import draw_operations
from dataflow.operators.core_text.picture_questions import ask_about_pictures
from dataflow.operators.core_vision.composition import PastTurn, kept_by, turns_before
from dataflow.operators.core_vision.related import SESSION, TURN, Edit, kind_columns, read_wording
from dataflow.taxonomy.brief import CHOSEN
from dataflow.taxonomy.draw import Draw
from dataflow.taxonomy.picture_brief import BACK, IT, PictureBrief
from dataflow.taxonomy.taxonomy import Operation, Taxonomy

LEAST = 2
MOST = 5
"""Fewest and most turns of a session."""

TURNS, REJECTED_TURNS = "turns", "rejected_turns"
"""Side outputs: accepted turns as rows of one edit each, and turns without an accepted edit."""

PLACEHOLDER = "<image>"
"""The message of the model in a session; the n-th one stands for the edit of the n-th turn."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """The settings of all sessions of a run.

    Args:
        loop: edits and judges each turn.
        taxonomy: the operations.
        languages: the languages of the instructions.
        turns: fewest and most turns; for each session a number between them is drawn.
        seed: another seed draws other numbers of turns, other operations and other references.
    """

    loop: AcceptLoop
    taxonomy: Taxonomy
    languages: tuple[str, ...]
    turns: tuple[int, int]
    seed: int

    def session(self, row: Row, picture: str, columns: Columns) -> Asking[Sequence[Row | Side | RowError]]:
        """Make one session, and return its row and its side outputs.

        Args:
            row: the row as it came in.
            picture: path of the first picture.
            columns: the outputs are the columns of verdicts, messages and edits; the input is that of pictures.

        Raises:
            AnswerError: a request failed: the row is a failed row, and the next run goes on at this request.
        """
        session = _Session(self, picture, Draw(self.seed, "session", columns.name_of(picture)), columns)
        yield from session.run()
        return session.rows(row)


@dataclass(frozen=True, slots=True)
class _Turn:
    """An accepted turn.

    Args:
        past: its instruction, the picture that it edited and its operation.
        spoken: "said_" and a language → what the user says in the conversation.
        row: the turn as a row of one edit.
    """

    past: PastTurn
    spoken: Mapping[str, str]
    row: Row


class _Session:
    """One session while it is made.

    `_versions` has the pictures of the session: version 1 is the first picture, and each accepted turn appends its
    edit. A turn edits the last version, or goes back to an earlier one. `_end` says why there is no further turn; "" as
    long as there may be one, and a RowError if the row must be a failed row.
    """

    def __init__(self, settings: SessionSettings, picture: str, draw: Draw, columns: Columns) -> None:
        self._settings, self._draw = settings, draw
        (self._images,), (self._verdict, self._conversation, self._edited) = columns.inputs, columns.outputs
        self._language = draw.pick(settings.languages)
        self._versions = [picture]
        self._turns: list[_Turn] = []
        self._sides: list[Side] = []
        self._end: str | RowError = ""

    def run(self) -> Asking[None]:
        wanted = self._draw.pick(range(self._settings.turns[0], self._settings.turns[1] + 1))
        while len(self._turns) < wanted and not self._end:
            yield from self._run_turn()

    def _run_turn(self) -> Asking[None]:
        refers, version = self._draw_reference()
        chain = turns_before([each.past for each in self._turns], version)
        instructions = tuple(each.instruction for each in chain)
        brief = PictureBrief("next", self._language, self._settings.languages, instructions, refers, version)
        offered = self._offered([each.operation for each in chain])
        source = self._versions[version - 1]
        written = yield from ask_about_pictures(brief, (source,), offered)
        if isinstance(written, str):
            self._end = written
            return
        kind = kind_columns(self._settings.taxonomy.operations[written[CHOSEN]])
        columns, instruction = read_wording(written, brief, self._conversation, source)
        row = {"relation": TURN, self._images: [source], **columns, **kind}
        turn = PastTurn(instruction, version, written[CHOSEN])
        try:
            outcome = yield from self._settings.loop.accept(self._task(row, source, instruction))
        except AnswerError as error:
            if error.failure.kind != "refused":
                raise
            self._end = f"the editor refused: {error.failure.reason}"
            return
        gate = yield from self._gate_against_first([*chain, turn], outcome)
        self._add(row, outcome, gate, turn, {name: written[name] for name in brief.spoken})

    def _draw_reference(self) -> tuple[str, int]:
        """Draw how the next turn refers to the turns before, and which version the turn edits."""
        last = len(self._versions)
        # "it" needs a turn before; going back needs an edit that is not the last version.
        refers = self._draw.pick(("", IT, BACK)[: min(last, 3)])
        return refers, self._draw.pick(range(2, last)) if refers == BACK else last

    def _offered(self, used: Sequence[str]) -> list[Operation]:
        single = [each for each in self._settings.taxonomy.operations.values() if each.most_pictures == 1]
        return draw_operations(self._draw, [each for each in single if each.name not in used])

    def _task(self, row: Row, source: str, instruction: str) -> Task:
        forms = [each["content"] for each in row["instructions"] if each["language"] == self._language]
        phrasings = tuple(each for each in forms if each != instruction)
        return Task((source,), instruction, kind_of(row, self._settings.taxonomy), phrasings)

    def _gate_against_first(self, chain: Sequence[PastTurn], outcome: Outcome) -> Asking[str]:
        """Measure an accepted edit against the first picture: return the gate that the edit does not pass, or "".

        Small changes that each turn may make add up over a session. The limits are those of the turn that keeps the
        least, so that what the turns asked for passes.
        """
        gates, winner = self._settings.loop.gates, outcome.winner
        if gates is None or winner is None or len(chain) == 1:
            return ""
        (answer,) = yield [gauging(self._versions[:1], winner.path, worker=GAUGE)]
        measures = read_measures(answer.raise_for_error().text)
        keeps = kept_by(chain, self._settings.taxonomy)
        loosest = next(each.operation for each in chain if kept_by([each], self._settings.taxonomy) == keeps)
        gate = gates.failed(measures, loosest, pictures=1)
        return "" if gate == "no_op" else gate  # a turn may undo an earlier one

    def _add(self, row: Row, outcome: Outcome, gate: str, turn: PastTurn, spoken: Mapping[str, str]) -> None:
        """Add an accepted turn, or end the session; add the side outputs of the turn in both cases."""
        rows = rows_of(outcome, row, edited=self._edited, verdict=self._verdict, margin=self._settings.loop.margin)
        for each in rows:
            if isinstance(each, RowError):
                self._end = each
            elif isinstance(each, Side):
                self._sides.append(replace(each, name=REJECTED_TURNS) if each.name == REJECTED else each)
            elif gate:
                self._sides.append(Side(REJECTED_TURNS, {**each, "reason": _against_first(gate)}))
                self._end = _against_first(gate)
            else:
                path = each[self._edited][0]
                turn_id = Edit((self._versions[turn.version - 1],), turn.instruction, (path,)).id
                self._turns.append(_Turn(turn, spoken, {"id": turn_id, **each}))
                self._versions.append(path)
        if outcome.winner is None and not self._end:
            self._end = "no edit of the next turn was accepted"

    def rows(self, row: Row) -> Sequence[Row | Side | RowError]:
        """Return the row of the session, if there are enough turns, and its side outputs."""
        spoken = [each.spoken[f"said_{self._language}"] for each in self._turns]
        session_id = Edit((self._versions[0],), "\n".join(spoken), tuple(self._versions[1:])).id
        turns = [Side(TURNS, each.row) for each in self._turns]
        sides = [Side(each.name, {**each.row, "parent_id": session_id}) for each in (*turns, *self._sides)]
        if len(self._turns) >= LEAST:
            return [*sides, self._row(row, session_id, spoken)]
        if isinstance(self._end, RowError):
            return [*sides, self._end]
        return [*sides, Side(REJECTED, {**self._row(row, session_id, spoken), "reason": self._end})]

    def _row(self, row: Row, session_id: str, spoken: Sequence[str]) -> Row:
        messages = [
            {"role": role, "content": content}
            for words in spoken
            for role, content in (("user", words), ("assistant", PLACEHOLDER))
        ]
        forms = [
            {"content": each.spoken[f"said_{language}"], "role": "user", "language": language, "turn": number}
            for number, each in enumerate(self._turns, start=1)
            for language in self._settings.languages
        ]
        return {
            **row,
            "id": session_id,
            "parent_id": row.get("id"),
            "relation": SESSION,
            self._images: self._versions[:1],
            self._conversation: messages,
            "instructions": forms,
            "language": self._language,
            self._edited: self._versions[1:],
            self._verdict: [each.row[self._verdict] for each in self._turns],
            TURNS: [_as_column(each) for each in self._turns],
        }


def _as_column(turn: _Turn) -> Row:
    """Return what the column `turns` of a session holds of one turn."""
    row, past = turn.row, turn.past
    whole = {"instruction": past.instruction, "version": past.version, "instructions": row["instructions"]}
    return {"id": row["id"], **whole, "edit_type": row["edit_type"], "sub_type": row["sub_type"]}


def _against_first(gate: str) -> str:
    return f"{gate}: beside the first picture, what no turn asked for has changed"

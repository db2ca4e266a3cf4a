"""A conversation about one picture, as a part of an operator's generator: each turn is written, edited and judged.

What each turn asks follows from answers alone, so a resumed run asks the same.
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
from dataflow.operators.core_text.choice import offered_of
from dataflow.operators.core_text.seeing import see
from dataflow.operators.core_vision.composition import Past, kept_by, led_by
from dataflow.operators.core_vision.related import SESSION, TURN, Edit, kind_columns, worded
from dataflow.taxonomy.brief import CHOSEN
from dataflow.taxonomy.draw import Draw
from dataflow.taxonomy.seen import BACK, IT, SeenBrief
from dataflow.taxonomy.taxonomy import Operation, Taxonomy

LEAST, MOST = 2, 5
"""Turns of a session."""

TURNS, REJECTED_TURNS = "turns", "rejected_turns"
"""Side outputs: accepted turns as rows of one edit each, and those of which every edit was rejected."""

PLACEHOLDER = "<image>"
"""What the model answers in a conversation: the next of the row's edits."""


@dataclass(frozen=True, slots=True)
class Hold:
    """How sessions are held.

    Args:
        loop: edits and judges each turn.
        taxonomy: of the operations.
        languages: of the instructions.
        turns: fewest and most that a session is meant to have.
        seed: draws other lengths, operations and references for another one.
    """

    loop: AcceptLoop
    taxonomy: Taxonomy
    languages: tuple[str, ...]
    turns: tuple[int, int]
    seed: int

    def session(self, row: Row, picture: str, columns: Columns) -> Asking[Sequence[Row | Side | RowError]]:
        """What comes out of a row.

        Args:
            row: as it came in.
            picture: at which it begins.
            columns: its outputs are those of verdicts, messages and edits; its input is that of pictures.

        Raises:
            AnswerError: a worker did not answer: the row fails, and the next run goes on there.
        """
        session = _Session(self, picture, Draw(self.seed, "session", columns.name_of(picture)), columns)
        yield from session.held()
        return session.rows(row)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A turn that was accepted."""

    past: Past
    said: Mapping[str, str]
    path: str
    row: Row


class _Session:
    def __init__(self, how: Hold, picture: str, draw: Draw, columns: Columns) -> None:
        self._how, self._draw = how, draw
        (self._images,), (self._verdict, self._conversation, self._edited) = columns.inputs, columns.outputs
        self._language = draw.pick(how.languages)
        self._versions = [picture]
        self._turns: list[_Turn] = []
        self._sides: list[Side] = []
        self._ended: str | RowError = ""

    def held(self) -> Asking[None]:
        wanted = self._draw.pick(range(self._how.turns[0], self._how.turns[1] + 1))
        while len(self._turns) < wanted and not self._ended:
            yield from self._turn()

    def _turn(self) -> Asking[None]:
        refers, version = self._reference()
        led = led_by([each.past for each in self._turns], version)
        said = tuple(each.instruction for each in led)
        brief = SeenBrief("next", self._language, self._how.languages, said, refers, version)
        offered = self._offered([each.operation for each in led])
        source = self._versions[version - 1]
        written = yield from see(brief, (source,), offered)
        if isinstance(written, str):
            self._ended = written
            return
        kind = kind_columns(self._how.taxonomy.operations[written[CHOSEN]])
        columns, instruction = worded(written, brief, self._conversation, source)
        row = {"relation": TURN, self._images: [source], **columns, **kind}
        past = Past(instruction, version, written[CHOSEN])
        try:
            outcome = yield from self._how.loop.accept(self._task(row, source, instruction))
        except AnswerError as error:
            if error.failure.kind != "refused":
                raise
            self._ended = f"the editor refused: {error.failure.reason}"
            return
        gate = yield from self._still_part([*led, past], outcome)
        self._keep(row, outcome, gate, past, {name: written[name] for name in brief.spoken})

    def _reference(self) -> tuple[str, int]:
        """How the next turn refers to what was before, and the version that it edits."""
        present = len(self._versions)
        refers = self._draw.pick(("", IT, BACK)[: min(present, 3)])
        return refers, self._draw.pick(range(2, present)) if refers == BACK else present

    def _offered(self, used: Sequence[str]) -> list[Operation]:
        single = [each for each in self._how.taxonomy.operations.values() if each.most_pictures == 1]
        return offered_of(self._draw, [each for each in single if each.name not in used])

    def _task(self, row: Row, source: str, instruction: str) -> Task:
        forms = [each["content"] for each in row["instructions"] if each["language"] == self._language]
        others = tuple(each for each in forms if each != instruction)
        return Task((source,), instruction, kind_of(row, self._how.taxonomy), others)

    def _still_part(self, led: Sequence[Past], outcome: Outcome) -> Asking[str]:
        """The gate at which an accepted edit falls beside the first picture, by what all its turns keep."""
        gates, winner = self._how.loop.gates, outcome.winner
        if gates is None or winner is None or len(led) == 1:
            return ""
        (answer,) = yield [gauging(self._versions[:1], winner.path, worker=GAUGE)]
        measures = read_measures(answer.raise_for_error().text)
        keeps = kept_by(led, self._how.taxonomy)
        least = next(each.operation for each in led if kept_by([each], self._how.taxonomy) == keeps)
        gate = gates.failed(measures, least, pictures=1)
        return "" if gate == "no_op" else gate  # turns may lead back to what was there first

    def _keep(self, row: Row, outcome: Outcome, gate: str, past: Past, said: Mapping[str, str]) -> None:
        """Note what became of a turn."""
        rows = rows_of(outcome, row, edited=self._edited, verdict=self._verdict, margin=self._how.loop.margin)
        for each in rows:
            if isinstance(each, RowError):
                self._ended = each
            elif isinstance(each, Side):
                self._sides.append(replace(each, name=REJECTED_TURNS) if each.name == REJECTED else each)
            elif gate:
                self._sides.append(Side(REJECTED_TURNS, {**each, "reason": _against_first(gate)}))
                self._ended = _against_first(gate)
            else:
                path = each[self._edited][0]
                found = Edit((self._versions[past.version - 1],), past.instruction, (path,)).id
                self._turns.append(_Turn(past, said, path, {"id": found, **each}))
                self._versions.append(path)
        if outcome.winner is None and not self._ended:
            self._ended = "no edit of the next turn was accepted"

    def rows(self, row: Row) -> Sequence[Row | Side | RowError]:
        """The session, if it has turns enough, and all else."""
        said = [each.said[f"said_{self._language}"] for each in self._turns]
        found = Edit((self._versions[0],), "\n".join(said), tuple(self._versions[1:])).id
        turns = [Side(TURNS, each.row) for each in self._turns]
        sides = [Side(each.name, {**each.row, "parent_id": found}) for each in (*turns, *self._sides)]
        if len(self._turns) >= LEAST:
            return [*sides, self._row(row, found, said)]
        if isinstance(self._ended, RowError):
            return [*sides, self._ended]
        return [*sides, Side(REJECTED, {**self._row(row, found, said), "reason": self._ended})]

    def _row(self, row: Row, found: str, said: Sequence[str]) -> Row:
        messages = [
            {"role": role, "content": content}
            for words in said
            for role, content in (("user", words), ("assistant", PLACEHOLDER))
        ]
        forms = [
            {"content": each.said[f"said_{language}"], "role": "user", "language": language, "turn": number}
            for number, each in enumerate(self._turns, start=1)
            for language in self._how.languages
        ]
        return {
            **row,
            "id": found,
            "parent_id": row.get("id"),
            "relation": SESSION,
            self._images: self._versions[:1],
            self._conversation: messages,
            "instructions": forms,
            "language": self._language,
            self._edited: self._versions[1:],
            self._verdict: [each.row[self._verdict] for each in self._turns],
            TURNS: [self._told(each) for each in self._turns],
        }

    def _told(self, turn: _Turn) -> Row:
        row, past = turn.row, turn.past
        whole = {"instruction": past.instruction, "version": past.version, "instructions": row["instructions"]}
        return {"id": row["id"], **whole, "edit_type": row["edit_type"], "sub_type": row["sub_type"]}


def _against_first(gate: str) -> str:
    return f"{gate}: beside the first picture, what no turn asked for has changed"

"""What a row wants edited, and what its tries came to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from dataflow.core.columns import mask_path, picture_paths, prompts
from dataflow.core.records import Answer, Row
from dataflow.errors import AnswerError, Failure
from dataflow.judging.rubric import Kind, kind_of
from dataflow.judging.verdict import REJECTED, Verdict, sum_of
from dataflow.taxonomy.taxonomy import Taxonomy

EDITOR, GAUGE, REWRITER = "editor", "gauge", "rewriter"
TRIES, PAIRS = "tries", "pairs"
SIDES = (REJECTED, TRIES, PAIRS)
"""Where rows go beside the step's file: those without an accepted edit, every edit, and pairs of better and worse."""

Wording = Literal["resample", "reword", "critique"]
Retry = Wording | Callable[[str, Verdict, int], str]
"""How the next try asks: the same again, in other words, or with what was wrong. Or a function of the instruction, the
verdict of the best first candidate so far and the number of the try, from 1; it must look at nothing else."""

REFUSED = "refused"
"""The gate of an edit that the editor would not make."""


@dataclass(frozen=True, slots=True)
class Task:
    """What one row wants edited.

    Args:
        sources: paths of the pictures it starts from.
        instruction: by which every edit is judged, whatever its try asked.
        kind: of the edit.
        phrasings: the same instruction in other words.
        standing: paths of edits that are there already: the first try, for which nothing is paid.
        mask: path of the mask.
    """

    sources: tuple[str, ...]
    instruction: str
    kind: Kind = field(default_factory=Kind)
    phrasings: tuple[str, ...] = ()
    standing: tuple[str, ...] = ()
    mask: str | None = None


def task_of(row: Row, taxonomy: Taxonomy, *, images: str, conversation: str, edited: str, mask: str | None) -> Task:
    """What a row wants.

    Args:
        row: its column `instructions`, if it has one, holds its instruction in several wordings.
        taxonomy: says of what kind the edit is.
        images: column of the pictures.
        conversation: column of the messages; the user's last one counts.
        edited: column of the edits.
        mask: column of the mask; None: there is none.

    Raises:
        RowError: a column holds something else.
    """
    instruction = prompts(row[conversation], conversation)[-1]
    wordings = prompts(row["instructions"], "instructions") if row.get("instructions") else []
    return Task(
        picture_paths(row[images], images),
        instruction,
        kind_of(row, taxonomy),
        tuple(each for each in wordings if each != instruction),
        standing_edits(row, edited),
        mask_path(row.get(mask), mask) if mask else None,
    )


def standing_edits(row: Row, edited: str) -> tuple[str, ...]:
    """The edits that a row has already."""
    value = row.get(edited)
    return picture_paths([each for each in value if each] if isinstance(value, list) else value or [], edited)


@dataclass(frozen=True, slots=True)
class Try:
    """One edit, or the editor's refusal to make it.

    Args:
        number: of the try, from 0.
        candidate: among those of the try, from 0.
        prompt: what the editor was asked.
        path: of the picture; empty: there is none.
        verdict: what gates and judge made of it.
        cost: of edit and verdict, in billionths of the currency; None: not known.
        failure: why there is no picture.
    """

    number: int
    candidate: int
    prompt: str
    path: str
    verdict: Verdict = field(default_factory=lambda: Verdict(None))
    cost: int | None = 0
    failure: Failure | None = None

    @property
    def rank(self) -> tuple[bool, float]:
        """To compare by: what the judge saw before what fell at a gate, then its score."""
        return not self.verdict.gate, self.verdict.score or 0.0

    def judged(self, verdict: Verdict) -> "Try":
        """The same with a verdict, which keeps what was measured."""
        measures = verdict.measures or self.verdict.measures
        return replace(self, verdict=replace(verdict, measures=measures), cost=sum_of([self.cost, verdict.cost]))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row.

    Args:
        tries: all edits, in order.
        winner: the accepted one; None: all were rejected, or it could not be judged whether one is good.
        cost: of all that was asked, in billionths of the currency; None: not known.
    """

    tries: Sequence[Try]
    winner: Try | None
    cost: int | None

    @property
    def is_unjudged(self) -> bool:
        """Whether nobody could tell if an edit is good."""
        return self.winner is None and any(each.verdict.accepted is None for each in self.tries)


def edit_of(number: int, candidate: int, prompt: str, answer: Answer) -> Try:
    """What an editor answered: an edit, or that it refuses.

    Raises:
        AnswerError: it did not answer.
    """
    if answer.error is not None and answer.error.kind == "refused":
        verdict = Verdict(False, gate=REFUSED, critique=answer.error.reason)
        return Try(number, candidate, prompt, "", verdict, answer.cost, answer.error)
    return Try(number, candidate, prompt, answer.raise_for_error().pictures[-1].path, cost=answer.cost)


def asked_with(prompt: str, tries: Sequence[Try]) -> list[Try]:
    """Those of some tries that asked with a prompt."""
    return [each for each in tries if each.prompt == prompt]


def raise_if_refused(tries: Sequence[Try]) -> None:
    """Nothing, if one of them has a picture.

    Raises:
        AnswerError: none has: the first refusal.
    """
    if not any(each.path for each in tries):
        raise next(AnswerError(each.failure) for each in tries if each.failure is not None)

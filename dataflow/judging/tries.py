"""The task of a row, its tries, and its outcome, as values."""

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
"""Side outputs: rows without an accepted edit, one row for each edit, and pairs of an accepted and a rejected edit."""

Wording = Literal["resample", "reword", "critique"]
Retry = Wording | Callable[[str, Verdict, int], str]
"""How the prompt of a further try is made: the same prompt again, the instruction in other words, or the instruction
with the critique. Or a function of the instruction, the verdict of the best edit so far (among those that a run with
one candidate would have made) and the number of the try, from 1. The function must depend on nothing else, so that a
resumed run has the same prompts."""

REFUSED = "refused"
"""Gate in the verdict of an edit that the editor refused to make."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is edited in one row.

    Args:
        sources: paths of the source pictures.
        instruction: the instruction by which every edit is judged, also an edit with another prompt.
        kind: the kind of the edit.
        phrasings: the same instruction in other words.
        standing: paths of edits that the row has already; they are the first try and cost nothing.
        mask: path of the mask; None: the row has none.
    """

    sources: tuple[str, ...]
    instruction: str
    kind: Kind = field(default_factory=Kind)
    phrasings: tuple[str, ...] = ()
    standing: tuple[str, ...] = ()
    mask: str | None = None


def task_of(row: Row, taxonomy: Taxonomy, *, images: str, conversation: str, edited: str, mask: str | None) -> Task:
    """Read the task of a row.

    Args:
        row: the row; its column `instructions`, if there is one, has the phrasings.
        taxonomy: says of what kind the edit is, by the row's column `sub_type`.
        images: column of the source pictures.
        conversation: column of the messages; the last message of the user is the instruction.
        edited: column of the edits.
        mask: column of the mask; None: rows have no mask.

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
    """Return the paths of the pictures that a row has already in a column; None and empty texts are left out."""
    value = row.get(edited)
    return picture_paths([each for each in value if each] if isinstance(value, list) else value or [], edited)


@dataclass(frozen=True, slots=True)
class Try:
    """One edit, or the editor's refusal to make it.

    Args:
        number: number of the try, from 0.
        candidate: number of the edit in its try, from 0.
        prompt: the prompt of the request to the editor.
        path: path of the picture; "": the editor refused.
        verdict: the verdict of gates and judge.
        cost: cost of edit and verdict, in billionths of the currency; None: not known.
        failure: the refusal; None: there is a picture.
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
        """Sort key: an edit that passed the gates is above one that did not, and then the score decides."""
        return not self.verdict.gate, self.verdict.score or 0.0

    def judged(self, verdict: Verdict) -> "Try":
        """Return the edit with a verdict, the measures of its earlier verdict, and the costs of both."""
        measures = verdict.measures or self.verdict.measures
        return replace(self, verdict=replace(verdict, measures=measures), cost=sum_of([self.cost, verdict.cost]))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a row's tries.

    Args:
        tries: all edits, in order.
        winner: the accepted edit; None: every edit was rejected or unjudged.
        cost: cost of all requests, in billionths of the currency; None: not known.
    """

    tries: Sequence[Try]
    winner: Try | None
    cost: int | None

    @property
    def is_unjudged(self) -> bool:
        """Whether no edit was accepted and at least one could not be judged."""
        return self.winner is None and any(each.verdict.accepted is None for each in self.tries)


def edit_of(number: int, candidate: int, prompt: str, answer: Answer) -> Try:
    """Read an editor's answer: an edit, or a refusal.

    Raises:
        AnswerError: the request failed, and not because the editor refused.
    """
    if answer.error is not None and answer.error.kind == "refused":
        verdict = Verdict(False, gate=REFUSED, critique=answer.error.reason)
        return Try(number, candidate, prompt, "", verdict, answer.cost, answer.error)
    return Try(number, candidate, prompt, answer.raise_for_error().pictures[-1].path, cost=answer.cost)


def asked_with(prompt: str, tries: Sequence[Try]) -> list[Try]:
    """Return the tries that have this prompt."""
    return [each for each in tries if each.prompt == prompt]


def raise_if_refused(tries: Sequence[Try]) -> None:
    """Check that at least one try has a picture.

    Raises:
        AnswerError: the editor refused all; the error has its first refusal.
    """
    if not any(each.path for each in tries):
        raise next(AnswerError(each.failure) for each in tries if each.failure is not None)

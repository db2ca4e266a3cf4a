"""Pairs of a better and a worse edit as questions to a judge, for trainers of vision-language models.

The question is the one that the accept loop asks a judge of two edits (`dataflow.judging.pair`), so a judge that was
trained on it is asked what it knows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from dataflow.export.formats import Output
from dataflow.export.records import Record
from dataflow.judging.pair import BETTER, CHOICES, pair_labels, pair_prompt

MARK = "<image>"
"""Stands in a message for the next of its pictures."""


@dataclass(frozen=True, slots=True)
class PairQuestion:
    """One order of a pair.

    Args:
        asked: of the judge, with a mark for each picture.
        right: JSON that chooses the better edit, with what was wrong with the other.
        wrong: the same of the other.
        images: absolute paths of the sources, picture A and picture B.
    """

    asked: str
    right: str
    wrong: str
    images: Sequence[str]


def pair_questions(output: Output, record: Record) -> Iterator[PairQuestion]:
    """A pair in both orders."""
    files = output.tree.files(record)
    sources, edits = [*map(output.named, files.images)], [output.named(files.edited), output.named(files.losers[0])]
    shown = "\n".join(f"{label}\n{MARK}" for label in pair_labels(len(sources)))
    asked = f"{shown}\n{pair_prompt(record.instruction)}"
    verdicts = record.verdict.get("verdicts", ())
    critique = str(verdicts[1].get("critique") or "") if len(verdicts) > 1 else ""
    first, second = (_answer(place, critique) for place in CHOICES)
    yield PairQuestion(asked, first, second, [*sources, *edits])
    yield PairQuestion(asked, second, first, [*sources, *reversed(edits)])


def holds_no_mark(name: str) -> Callable[[Record], str]:
    """Refuses instructions with a mark of their own, for a format of this name."""
    why = f"{name} takes an instruction's {MARK} for a picture"
    return lambda record: why if MARK in record.instruction else ""


def _answer(better: str, critique: str) -> str:
    """That one of the pictures is better, since the other has what the critique says."""
    (other,) = (name for name in CHOICES if name != better)
    reasoning = f"Picture {other}: {critique}" if critique else ""
    return orjson.dumps({"reasoning": reasoning, BETTER: better}).decode()

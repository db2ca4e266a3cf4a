"""Turns pairs of a better and a worse edit into questions to a judge, for trainers of vision-language models.

The question is the one that the accept loop asks a judge of two edits (`dataflow.judging.pair`), so the trained judge
gets the very question that it learned.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from dataflow.export.formats import Output
from dataflow.export.records import Record
from dataflow.judging.pair import BETTER, CHOICES, pair_labels, pair_prompt

MARK = "<image>"
"""The mark in a message where the next of its pictures stands."""


@dataclass(frozen=True, slots=True)
class PairQuestion:
    """The question about one order of a pair, and its two answers.

    Args:
        asked: the question, with a mark for each picture.
        right: the answer that chooses the better edit, as JSON; it says what is wrong with the worse edit.
        wrong: the answer that chooses the worse edit, as JSON; it says the same of the better edit.
        images: absolute paths of the sources, then of picture A and of picture B.
    """

    asked: str
    right: str
    wrong: str
    images: Sequence[str]


def pair_questions(output: Output, record: Record) -> Iterator[PairQuestion]:
    """The questions of a pair: with the better edit first, and with the worse edit first."""
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
    """A `Format.refuses` for a format of this name: it refuses an instruction that holds `MARK`."""
    why = f"{name} takes an instruction's {MARK} for a picture"
    return lambda record: why if MARK in record.instruction else ""


def _answer(better: str, critique: str) -> str:
    """The answer that one picture is better, since the critique holds for the other picture."""
    (other,) = (name for name in CHOICES if name != better)
    reasoning = f"Picture {other}: {critique}" if critique else ""
    return orjson.dumps({"reasoning": reasoning, BETTER: better}).decode()

"""Offers a model that sees a picture some operations, and reads which one the model chose and its instruction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dataflow.core.records import Request
from dataflow.errors import AnswerError, UnfitAnswer
from dataflow.judging.together import Asking
from dataflow.operators.core_text.asking import ask_twice
from dataflow.taxonomy.answers import read_answer, read_fields
from dataflow.taxonomy.brief import CHOSEN, Brief, schema_of, write_choice
from dataflow.taxonomy.draw import Draw
from dataflow.taxonomy.taxonomy import LENGTHS, Operation, Taxonomy

OFFERED = 6
"""Number of operations that a model may choose from: with six, nearly every picture suits one of them."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """An operation that a model chose for a picture, and the answer in which the model chose it.

    Args:
        brief: the brief with the chosen operation; the answer meets this brief.
        fields: field of the answer → its text.
        length: which form of the instruction the edit uses, one of LENGTHS.
    """

    brief: Brief
    fields: Mapping[str, str]
    length: str


def choose(
    picture: str, taxonomy: Taxonomy, languages: tuple[str, ...], draw: Draw, *, count: int
) -> Asking[list[Chosen]]:
    """Ask for several edits of one picture, one after another, each of another operation.

    An edit is left out if the model refuses it or has two unfit answers.

    Args:
        picture: path of the picture.
        taxonomy: the operations.
        languages: the languages of the instructions.
        draw: draws the operations that are offered, the language of the description and the length of the instruction.
        count: number of edits.

    Raises:
        UnfitAnswer: no edit is left, and the last one had two unfit answers.
        AnswerError: no edit is left, and the last one was refused; or a request failed otherwise.
    """
    language, length = draw.pick(languages), draw.pick(LENGTHS)
    chosen: list[Chosen] = []
    last: UnfitAnswer | AnswerError | None = None
    for number in range(count):
        choice = Choice(taxonomy, draw, language, languages, used=[each.brief.operation for each in chosen])
        try:
            (brief, fields), _ = yield from ask_twice(choice.request(picture, number), choice.read)
        except (UnfitAnswer, AnswerError) as error:
            if isinstance(error, AnswerError) and error.failure.kind != "refused":
                raise
            last = error
            continue
        chosen.append(Chosen(brief, fields, length))
        length = LENGTHS[1 - LENGTHS.index(length)]
    if last is not None and not chosen:
        raise last
    return chosen


class Choice:
    """One question about one picture: which of the offered operations suits it, and by which instruction.

    Args:
        taxonomy: the operations; operations of several pictures are not offered.
        draw: draws the offered operations by their shares.
        language: the language of the description.
        languages: the languages of the instructions.
        used: names of operations that were chosen before, and are not offered again.
    """

    def __init__(
        self, taxonomy: Taxonomy, draw: Draw, language: str, languages: tuple[str, ...], *, used: Collection[str]
    ) -> None:
        single = [each for each in taxonomy.operations.values() if each.most_pictures == 1]
        self.offered = draw_operations(draw, [each for each in single if each.name not in used])
        self._language, self._languages = language, languages

    def request(self, picture: str, number: int) -> Request:
        """Make the request about a picture; `number` counts the questions about this picture, from 0."""
        brief = self._brief()
        prompt, schema = write_choice(brief, self.offered), schema_of((CHOSEN, *brief.fields))
        return Request(prompt, (picture,), "text", repeat=number, worker="writer", schema=schema)

    def read(self, text: str) -> tuple[Brief, dict[str, str]]:
        """Read an answer: return the brief with the chosen operation, and the fields of the answer.

        Raises:
            UnfitAnswer: unknown_operation: the answer names none of the offered operations. Or a fault of
                `read_answer`.
        """
        name = read_fields(text, (CHOSEN,))[CHOSEN]
        chosen = next((each for each in self.offered if each.name == name), None)
        if chosen is None:
            names = ", ".join(each.name for each in self.offered)
            what = f"`{CHOSEN}` is {name!r:.60}, not one of"
            raise UnfitAnswer("unknown_operation", f"{what} {names}", short=f"{what} those offered")
        brief = self._brief(chosen)
        return brief, read_answer(text, brief)

    def _brief(self, chosen: Operation | None = None) -> Brief:
        """Make the brief; while no operation is chosen, it asks for the target, since most operations need one."""
        name, names_target = (chosen.name, chosen.names_target) if chosen is not None else ("", True)
        return Brief(name, self._language, self._languages, names_target)


def draw_operations(draw: Draw, operations: Sequence[Operation]) -> list[Operation]:
    """Draw OFFERED of the operations by their shares; all of them if there are fewer."""
    remaining = [*operations]
    offered: list[Operation] = []
    while remaining and len(offered) < OFFERED:
        # Each operation stands in the list once for each half percent of its share: `pick` is then a draw by share,
        # and without floating-point numbers, whose sums may differ from machine to machine.
        chosen = draw.pick([each for each in remaining for _ in range(max(1, round(2 * each.share)))])
        remaining.remove(chosen)
        offered.append(chosen)
    return offered

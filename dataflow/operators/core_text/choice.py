"""Operations that a model which sees a picture chooses from, and what it made of its choice."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dataflow.core.records import Request
from dataflow.errors import AnswerError, UnfitAnswer
from dataflow.operators.core_text.asking import Asking, ask_twice
from dataflow.taxonomy.answers import read_answer, read_fields
from dataflow.taxonomy.brief import CHOSEN, Brief, schema_of, write_choice
from dataflow.taxonomy.draw import Draw
from dataflow.taxonomy.taxonomy import LENGTHS, Operation, Taxonomy

OFFERED = 6
"""Operations to choose from: so many that one of them fits nearly every picture."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """An edit that a model took for a picture, and what it wrote of it.

    Args:
        brief: with the operation that it took; the answer meets it.
        fields: of the answer.
        length: of the instruction to edit by, one of LENGTHS.
    """

    brief: Brief
    fields: Mapping[str, str]
    length: str


def choose(
    picture: str, taxonomy: Taxonomy, languages: tuple[str, ...], draw: Draw, *, count: int
) -> Asking[list[Chosen]]:
    """Ask for one edit after the other, each of another operation; one that comes to nothing is left out.

    Args:
        picture: its path.
        taxonomy: of the operations.
        languages: of the instructions.
        draw: offers operations, others for another seed or picture.
        count: edits asked for.

    Raises:
        UnfitAnswer, AnswerError: all of them came to nothing; or there was no answer, and that was no refusal.
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
    """One question about one picture.

    Args:
        taxonomy: of the operations; those of several pictures are not offered.
        draw: offers by share.
        language: of the description.
        languages: of the instructions.
        used: names of operations that are not offered again.
    """

    def __init__(
        self, taxonomy: Taxonomy, draw: Draw, language: str, languages: tuple[str, ...], *, used: Collection[str]
    ) -> None:
        single = [each for each in taxonomy.operations.values() if each.most_pictures == 1]
        self.offered = offered_of(draw, [each for each in single if each.name not in used])
        self._language, self._languages = language, languages

    def request(self, picture: str, number: int) -> Request:
        """The question, with the picture, for the number-th time."""
        brief = self._brief()
        prompt, schema = write_choice(brief, self.offered), schema_of((CHOSEN, *brief.fields))
        return Request(prompt, (picture,), "text", repeat=number, worker="writer", schema=schema)

    def read(self, text: str) -> tuple[Brief, dict[str, str]]:
        """What was chosen, as the brief that the answer meets, and the answer's fields.

        Raises:
            UnfitAnswer: unknown_operation, and those of `read_answer`.
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
        """Before one is chosen every field is asked for, since most operations name a thing."""
        name, names_target = (chosen.name, chosen.names_target) if chosen is not None else ("", True)
        return Brief(name, self._language, self._languages, names_target)


def offered_of(draw: Draw, operations: Sequence[Operation]) -> list[Operation]:
    """Those to choose from, drawn by their shares: OFFERED of them, or all."""
    remaining = [*operations]
    offered: list[Operation] = []
    while remaining and len(offered) < OFFERED:
        # Half percents, so that the draw is by share and exact.
        chosen = draw.pick([each for each in remaining for _ in range(max(1, round(2 * each.share)))])
        remaining.remove(chosen)
        offered.append(chosen)
    return offered

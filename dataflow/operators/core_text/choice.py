"""Operations that a model which sees a picture chooses from, and what it made of its choice."""

from collections.abc import Collection, Sequence

from dataflow.errors import UnfitAnswer
from dataflow.taxonomy.answers import read_answer, read_fields
from dataflow.taxonomy.brief import CHOSEN, Brief, write_choice
from dataflow.taxonomy.draw import Draw
from dataflow.taxonomy.taxonomy import Operation, Taxonomy

OFFERED = 6
"""Operations to choose from: so many that one of them fits nearly every picture."""


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
        self.offered = _drawn(draw, [each for each in single if each.name not in used])
        self._language, self._languages = language, languages

    @property
    def prompt(self) -> str:
        """The question in words."""
        return write_choice(self._brief(), self.offered)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the answer, in order."""
        return (CHOSEN, *self._brief().fields)

    def read(self, text: str) -> tuple[Brief, dict[str, str]]:
        """What was chosen, as the brief that the answer meets, and the answer's fields.

        Raises:
            UnfitAnswer: unknown_operation, and those of `read_answer`.
        """
        name = read_fields(text, (CHOSEN,))[CHOSEN]
        chosen = next((each for each in self.offered if each.name == name), None)
        if chosen is None:
            names = ", ".join(each.name for each in self.offered)
            raise UnfitAnswer("unknown_operation", f"`{CHOSEN}` is {name!r:.60}, not one of {names}")
        brief = self._brief(chosen)
        return brief, read_answer(text, brief)

    def _brief(self, chosen: Operation | None = None) -> Brief:
        """Before one is chosen every field is asked for, since most operations name a thing."""
        name, names_target = (chosen.name, chosen.names_target) if chosen is not None else ("", True)
        return Brief(name, self._language, self._languages, names_target)


def _drawn(draw: Draw, operations: Sequence[Operation]) -> list[Operation]:
    left = [*operations]
    offered: list[Operation] = []
    while left and len(offered) < OFFERED:
        # Half percents, so that the draw is by share and exact.
        chosen = draw.pick([each for each in left for _ in range(max(1, round(2 * each.share)))])
        left.remove(chosen)
        offered.append(chosen)
    return offered

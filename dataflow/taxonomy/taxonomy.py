"""The taxonomy: groups and operations of edits, read from YAML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType

from dataflow.errors import ConfigError
from dataflow.taxonomy.marked import Marked, read_marked

SHIPPED = Path(__file__).with_name("edits.yaml")
LANGUAGES = ("en", "zh")
LENGTHS = ("short", "long")
MOST_PICTURES = 4
REFERS = ("position", "label", "words")
"""How an instruction refers to several pictures: by position ("the second image"), by label ("Image 2"), or by the
words for what they show."""
KEEPS = ("all", "rest", "layout", "scene", "shape", "nothing")
"""What a good edit keeps of its source, from most to least; `edits.yaml` explains each word."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of edit.

    Args:
        name: name, unique in its taxonomy; rows have it in the column `sub_type`.
        group: name of the group; rows have it in the column `edit_type`.
        share: share of all rows, in percent.
        zh: name in Chinese.
        good: what makes an instruction of this kind good, for prompts.
        names_target: the instruction must name a thing (the target) that the description contains.
        pictures: fewest and most source pictures.
        refers: how an instruction may refer to several pictures: "position" ("the second image"), "label" ("Image 2")
            or "words" for what they show.
        example: field → its text in an example answer.
        keeps: what an edit of this kind keeps of its source, from most to least "all", "rest", "layout", "scene",
            "shape" or "nothing"; docs/gates.md explains each word.
        inverse: name of the operation that leads back; "": none does, or the inverse would teach a model to damage
            pictures.
    """

    name: str
    group: str
    share: float
    zh: str
    good: str
    names_target: bool
    pictures: tuple[int, int]
    refers: tuple[str, ...]
    example: Mapping[str, str]
    keeps: str
    inverse: str

    @property
    def most_pictures(self) -> int:
        """Greatest number of source pictures; above 1 for operations that join several pictures."""
        return self.pictures[1]


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """A taxonomy.

    Args:
        operations: name → operation, in the order of the file.
    """

    operations: Mapping[str, Operation]

    def shares(self, mix: Mapping[str, float] | None = None) -> dict[str, float]:
        """Return operation → its share of the rows; the shares add up to 1.

        Args:
            mix: operation or group → its part, in any unit. The part of a group is divided among its operations by
                their shares. Operations that the mix does not name have no rows. None: the shares of the taxonomy.

        Raises:
            ConfigError: a name is neither an operation nor a group, or a part is no number above 0.
        """
        if mix is None:
            mix = {name: operation.share for name, operation in self.operations.items()}
        parts = dict.fromkeys(self.operations, 0.0)
        for name, part in mix.items():
            members = [each for each in self.operations.values() if name in (each.name, each.group)]
            if not members:
                groups = dict.fromkeys(each.group for each in self.operations.values())
                raise ConfigError(
                    f"mix names {name!r}, which is neither an operation ({', '.join(self.operations)})"
                    f" nor a group ({', '.join(groups)})"
                )
            if not 0 < part < float("inf"):
                raise ConfigError(f"mix has {part!r} for {name!r}: give a number above 0")
            whole = sum(each.share for each in members)
            for each in members:
                parts[each.name] += part * each.share / whole
        total = sum(parts.values())
        if not total:
            raise ConfigError("mix is empty: name at least one operation or group, or leave it out")
        if total == float("inf"):
            raise ConfigError("the parts of mix add up to more than a number can be: give smaller ones")
        return {name: part / total for name, part in parts.items() if part}


def check_languages(languages: Sequence[str]) -> tuple[str, ...]:
    """Check the languages of instructions, and return them as a tuple.

    Raises:
        ConfigError: there is no language, one stands twice, or one is not in LANGUAGES.
    """
    if not languages or len(set(languages)) != len(languages) or set(languages) - set(LANGUAGES):
        raise ConfigError(f"languages is {languages!r}: give one or both of {LANGUAGES}")
    return tuple(languages)


def fields_of(pictures: int, *, names_target: bool, languages: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of an answer's fields: description and target of each picture, and each form of the instruction.

    Args:
        pictures: number of source pictures.
        names_target: the answer has targets.
        languages: languages of the instruction, each of which has a short and a long form.
    """
    numbers = [""] if pictures == 1 else [f"_{number}" for number in range(1, pictures + 1)]
    shown = [f"{field}{n}" for n in numbers for field in ("description", "target") if names_target or field[0] == "d"]
    return (*shown, *(f"{length}_{language}" for language in languages for length in LENGTHS))


@cache
def shipped_taxonomy() -> Taxonomy:
    """Read the taxonomy of this package."""
    return read_taxonomy(SHIPPED)


def read_taxonomy(path: str | Path) -> Taxonomy:
    """Read a taxonomy from a YAML file in the form of the shipped taxonomy.

    Raises:
        ConfigError: the file cannot be read.
        InputError: the file has a fault; the message has path and line.
    """
    operations: dict[str, Operation] = {}
    whole = read_marked(Path(path))
    groups = whole.fields()
    for name, group in groups.items():
        fields = group.known(required=("zh", "operations"))
        fields["zh"].text()
        for operation in fields["operations"].fields().values():
            if operation.name in operations or operation.name in groups:
                raise operation.fault("is the name of another operation or group; each has its own")
            operations[operation.name] = _operation(operation, name)
    if not operations:
        raise whole.fault("has no operations")
    total = sum(operation.share for operation in operations.values())
    return Taxonomy({name: replace(each, share=100 * each.share / total) for name, each in operations.items()})


def _operation(marked: Marked, group: str) -> Operation:
    fields = marked.known(
        required=("share", "zh", "target", "good", "example"),
        optional=("pictures", "refers", "keeps", "invertible", "inverse"),
    )
    names_target = fields["target"].is_true()
    pictures = _pictures(fields["pictures"]) if "pictures" in fields else (1, 1)
    return Operation(
        name=marked.name,
        group=group,
        share=fields["share"].number(),
        zh=fields["zh"].text(),
        good=fields["good"].text(),
        names_target=names_target,
        pictures=pictures,
        refers=_refers(fields["refers"]) if "refers" in fields else REFERS,
        example=_example(fields["example"], pictures, names_target=names_target),
        keeps=_keeps(fields["keeps"]) if "keeps" in fields else "shape" if pictures[1] == 1 else "nothing",
        inverse=_inverse(fields, marked.name),
    )


def _pictures(marked: Marked) -> tuple[int, int]:
    numbers = [each.whole() for each in marked.items()] if marked.is_list else [marked.whole()] * 2
    if len(numbers) != 2 or not 1 <= numbers[0] <= numbers[1] <= MOST_PICTURES:
        raise marked.fault(f"expected a number from 1 to {MOST_PICTURES}, or [fewest, most]")
    return numbers[0], numbers[1]


def _refers(marked: Marked) -> tuple[str, ...]:
    ways = tuple(each.text() for each in marked.items())
    if not ways or set(ways) - set(REFERS):
        raise marked.fault(f"expected a list of {', '.join(REFERS)}")
    return ways


def _keeps(marked: Marked) -> str:
    if marked.text() not in KEEPS:
        raise marked.fault(f"expected one of {', '.join(KEEPS)}")
    return marked.text()


def _inverse(fields: Mapping[str, Marked], name: str) -> str:
    if "invertible" in fields and not fields["invertible"].is_true():
        return ""
    return fields["inverse"].text() if "inverse" in fields else name


def _example(marked: Marked, pictures: tuple[int, int], *, names_target: bool) -> Mapping[str, str]:
    required = fields_of(pictures[0], names_target=names_target, languages=LANGUAGES)
    return MappingProxyType({name: value.text() for name, value in marked.known(required=required).items()})

"""A row as records: one for each of its edits, or one for a conversation."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dataflow.core.columns import mask_path, picture_paths, prompts
from dataflow.core.records import JSON, Row
from dataflow.core.words import count_of
from dataflow.errors import RowError
from dataflow.export.cache import EDITED, IMAGES
from dataflow.export.images import Images, Seen
from dataflow.export.makers import has_made_name
from dataflow.export.records import Caption, Image, Record, RowsOf, Turn
from dataflow.judging.condition import PAINTER
from dataflow.judging.tries import EDITOR
from dataflow.judging.verdict import VERDICT, is_accepted
from dataflow.operators.core_vision.related import INVERSE, Edit
from dataflow.utils.files import PathRules

_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_SAID = {
    "true": True,
    "1": True,
    "1.0": True,
    "false": False,
    "0": False,
    "0.0": False,
    "none": None,
    "null": None,
    "": None,
    "nan": None,
    "[]": None,
}
"""Of the column `accepted`, of which a csv makes words and a spreadsheet numbers."""
_LICENCES, _CREDITS = ("licence", "license"), ("credit", "attribution", "author")


class NoCaption(RowError):
    """A row has no instruction, or none in any of the languages asked for."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes records of rows.

    Args:
        rules: where pictures lie.
        images: looks at them.
        languages: of the instructions that go out, the first one first; empty: all, as they come.
    """

    rules: PathRules
    images: Images
    languages: tuple[str, ...] = ()

    def records(self, row: Row, place: str, *, of: RowsOf = "rows") -> list[Record]:
        """The records of a row.

        Args:
            row: has results; of several edits each is a record of its own.
            place: of the row.
            of: in "pairs" the first result is the better edit and the others are worse; those and "tries" get ids of
                their own, since several share the id of their row.

        Raises:
            ChangedPicture: a picture is another one now.
            NoCaption: there is no instruction in these languages.
            RowError: a column holds something else, a picture is missing or damaged.
        """
        edits = edits_of(row)
        sources = self._pictures(row, _images_column(row))
        is_inverse = row.get("relation") == INVERSE  # leads from an edit back to a picture that came in, or was drawn
        results = [self._see(row, name, PAINTER if is_inverse or not sources else EDITOR) for name in edits]
        seen = [self._see(row, name, EDITOR if is_inverse else PAINTER) for name in sources]
        mask = self._mask(row, seen)
        base = _Base(row, place, seen, mask, of != "rows")
        if row.get("turns"):
            return [self._session(base, results)]
        captions = self._captions(row)
        _check_each_judged(row, len(results))
        if of == "pairs":
            return [base.record(captions, results[0], 0, edits, losers=results[1:])]
        return [base.record(captions, each, k, edits) for k, each in enumerate(results)]

    def _see(self, row: Row, name: str, worker: str) -> Seen:
        told = row.get("digital_source_type")
        return self.images.see(self.rules.resolve(name), worker, told if isinstance(told, str) else "")

    def _pictures(self, row: Row, column: str) -> tuple[str, ...]:
        return picture_paths(row[column], column) if row.get(column) else ()

    def _mask(self, row: Row, sources: Sequence[Seen]) -> Image | None:
        path = mask_path(row.get("mask"), "mask")
        if path is None:
            return None
        mask = self.images.mask(self.rules.resolve(path))
        if not sources or mask.shape != sources[0].image.shape:
            raise RowError(f"mask {path} is no picture of the size of the row's first input")
        return mask

    def _captions(self, row: Row) -> tuple[Caption, ...]:
        column = "output_img_discript" if "output_img_discript" in row and EDITED[0] not in row else "conversations"
        if column not in row:
            raise NoCaption(f"no `{column}`")
        try:
            first = prompts(row[column], column)[-1]
        except RowError as error:
            raise NoCaption(str(error)) from None
        others = list(_wordings(row.get("instructions")))
        known = next((each for each in others if each.text == first), None)
        caption = known or Caption(first, _language(first, row.get("language")))
        return self._chosen([caption, *others])

    def _chosen(self, captions: Sequence[Caption]) -> tuple[Caption, ...]:
        """Those in the languages asked for, by the order of these, each text once."""
        once: dict[str, Caption] = {}
        for each in captions:
            if any(letter.isprintable() and not letter.isspace() for letter in each.text):
                once.setdefault(each.text, each)
        found = list(once.values())
        if self.languages:
            found = [each for each in found if each.language in self.languages]
            found.sort(key=lambda each: self.languages.index(each.language))
        if not found:
            raise NoCaption(f"no instruction in {', '.join(self.languages) or 'any language'}")
        for each in found:
            _check_whole(each.text)
        return tuple(found)

    def _session(self, base: "_Base", results: Sequence[Seen]) -> Record:
        """A conversation; its results are those of its turns."""
        row, told = base.row, base.row["turns"]
        if len(told) != len(results):
            raise RowError(
                f"`turns` has {count_of(len(told), 'turn')} and `{EDITED[0]}` {count_of(len(results), 'picture')}:"
                " one picture belongs to each turn"
            )
        verdicts = row.get(VERDICT) or [{}] * len(told)
        turns = []
        for number, (turn, seen, verdict) in enumerate(zip(told, results, verdicts, strict=True), start=1):
            if not 1 <= turn["version"] <= number:
                raise RowError(f"turn {number} edits version {turn['version']!r}, which is not there yet")
            caption = Caption(turn["instruction"], _language(turn["instruction"], row.get("language")))
            said = list(_wordings(row.get("instructions"), turn=number)) or [caption]
            chosen = self._chosen([caption]) if not self.languages else self._chosen([caption, *said])
            image = base.fitted(seen)
            turns.append(Turn(chosen[0], self._chosen(said)[0].text, turn["version"], image, verdict))
        whole = base.record(tuple(each.caption for each in turns), results[-1], 0, [str(row.get("id", base.place))])
        scores = [each.verdict["score"] for each in turns if "score" in each.verdict]
        accepted = base.all_accepted(len(turns))
        together: Row = {"accepted": accepted} | ({"score": min(scores)} if scores else {})
        return replace(whole, turns=tuple(turns), accepted=accepted, verdict=together if row.get(VERDICT) else {})


@dataclass(frozen=True, slots=True)
class _Base:
    """What the records of one row share."""

    row: Row
    place: str
    sources: Sequence[Seen]
    mask: Image | None
    compared: bool

    def record(
        self, captions: tuple[Caption, ...], result: Seen, k: int, edits: Sequence[str], losers: Sequence[Seen] = ()
    ) -> Record:
        row = self.row
        verdicts = row.get(VERDICT)
        verdict = verdicts[k] if isinstance(verdicts, list) and k < len(verdicts) else verdicts
        accepted = row.get("accepted")
        said = accepted[k] if isinstance(accepted, list) and accepted else accepted
        images = tuple(self.fitted(each, result) for each in self.sources)
        return Record(
            self._id(captions[0].text, images, result.image, k, edits, losers),
            images,
            self._roles(),
            captions,
            self.fitted(result),
            self.mask,
            losers=tuple(map(self.fitted, losers)),
            edit_type=_word(row.get("edit_type")),
            sub_type=_word(row.get("sub_type")),
            verdict=verdict if isinstance(verdict, dict) else {},
            accepted=self.accepted(verdict, said),
            licence=_words(row, _LICENCES),
            credit=_words(row, _CREDITS),
            parent_id=_word(row.get("parent_id")),
            relation=_word(row.get("relation")),
            place=self.place,
        )

    def all_accepted(self, turns: int) -> bool | None:
        """Of a conversation: False where one of its turns is rejected, None where one is not judged."""
        verdict, said = self.row.get(VERDICT), self.row.get("accepted")
        each_said = said if isinstance(said, list) and said else [said] * turns
        if isinstance(verdict, list) and verdict:
            found = [self.accepted(one, word) for one, word in zip(verdict, each_said, strict=True)]
        else:
            found = [self.accepted(verdict, word) for word in each_said]
        return False if False in found else None if None in found else True

    @staticmethod
    def accepted(verdict: object, said: object = None) -> bool | None:
        if isinstance(verdict, list) or (isinstance(verdict, Mapping) and verdict.get("accepted") is not None):
            return is_accepted(verdict)
        word = str(said).strip().casefold()
        if word not in _SAID:
            raise RowError(f"`accepted` holds {said!r:.80}: say true, false or null")
        return _SAID[word]

    @staticmethod
    def fitted(seen: Seen, result: Seen | None = None) -> Image:
        """The image; a profile is applied where the result has one too.

        A model is shown bare numbers and answers in them. So where the result carries no profile, the source's numbers
        are those of the result, and a profile applied to one of the two would shift all colours between them.
        """
        image, against = seen.image, result or seen
        if image.bake is not None and seen.look.profile == "other" and against.look.profile:
            return replace(image, bake=replace(image.bake, profile=True))
        return image

    def _id(
        self, text: str, images: Sequence[Image], edited: Image, k: int, edits: Sequence[str], losers: Sequence[Seen]
    ) -> str:
        given = self.row.get("id")
        if given in (None, "") or self.compared:
            results = (edited, *(each.image for each in losers))
            if all(has_made_name(each.path) for each in results):
                return Edit(tuple(each.path for each in images), text, tuple(each.path for each in results)).id
            # Files of other makers may have one name in many folders, so what is in them tells them apart.
            return Edit(tuple(each.sha256 for each in images), text, tuple(each.sha256 for each in results)).id
        return str(given) if len(edits) == 1 else f"{given}_{k + 1}"

    def _roles(self) -> tuple[str, ...]:
        roles = self.row.get("roles")
        if isinstance(roles, list) and len(roles) == len(self.sources):
            return tuple(map(str, roles))
        return tuple("source" if k == 0 else "reference" for k in range(len(self.sources)))


def edits_of(row: Row) -> tuple[str, ...]:
    """The results that a row names; none of one that failed.

    Raises:
        RowError: the column holds something else.
    """
    column = next((name for name in EDITED if name in row), EDITED[0])
    value = row.get(column)
    given = value if isinstance(value, list) else [value]
    return picture_paths([each for each in given if each], column)


def operation_of(row: Row) -> str:
    """A row's operation, else its group; empty: it names none."""
    return str(row.get("sub_type") or row.get("edit_type") or "")


def inputs_of(row: Row) -> int:
    """How many pictures a row starts from."""
    value = row.get(_images_column(row))
    return len(value) if isinstance(value, list) else int(bool(value))


def _images_column(row: Row) -> str:
    return next((name for name in IMAGES if name in row), IMAGES[0])


def _wordings(value: JSON, turn: int | None = None) -> Iterator[Caption]:
    """The captions of the column `instructions`; of one turn, where that is asked for."""
    for each in value if isinstance(value, list) else []:
        if isinstance(each, str):
            each = {"content": each}
        if isinstance(each, dict) and isinstance(text := each.get("content"), str) and each.get("turn") == turn:
            yield Caption(text, _language(text, each.get("language")), _word(each.get("length")))


def _language(text: str, told: object) -> str:
    """What a column says, else what the letters show."""
    return told if isinstance(told, str) and told else "zh" if _CHINESE.search(text) else "en"


def _check_each_judged(row: Row, edits: int) -> None:
    """Check that what was said of each edit belongs to it, so that no rejected one goes out for its neighbour.

    Raises:
        RowError: there are more or fewer verdicts than edits.
    """
    for column in (VERDICT, "accepted"):
        value = row.get(column)
        if isinstance(value, list) and value and len(value) != edits:
            raise RowError(
                f"`{column}` has {count_of(len(value), 'entry', 'entries')} and the row {count_of(edits, 'edit')}:"
                " one belongs to each edit"
            )


def _check_whole(text: str) -> None:
    """Check that files of trainers can hold a text.

    Raises:
        RowError: it ends in the middle of a character.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RowError(f"the instruction {text[:60]!r} has half a character: write it again whole") from None


def _word(value: object) -> str:
    return "" if value is None else str(value)


def _words(row: Row, columns: Sequence[str]) -> str:
    value = next((row[name] for name in columns if row.get(name)), "")
    return "; ".join(dict.fromkeys(map(str, value))) if isinstance(value, list) else str(value)

"""Makes the records of a row: one for each of its edits, or one for a conversation.

One file of over 300 lines with its docstrings, since both forms of a record share how a row's columns are read.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dataflow.core.columns import mask_path, picture_paths, prompts
from dataflow.core.records import JSON, Row
from dataflow.core.words import count_of
from dataflow.errors import RowError
from dataflow.export.cache import EDITED, IMAGES
from dataflow.export.images import Images, Seen, UnusablePicture, errors_of_pictures
from dataflow.export.makers import has_made_name
from dataflow.export.records import Caption, Image, Record, RowsOf, Turn
from dataflow.judging.condition import PAINTER
from dataflow.judging.tries import EDITOR
from dataflow.judging.verdict import VERDICT, is_accepted
from dataflow.operators.core_vision.related import INVERSE, Edit
from dataflow.utils.files import PathRules

_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_ACCEPTED_WORDS = {
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
"""Values of the column `accepted`, as texts: a csv turns booleans into words, and a spreadsheet into numbers."""
_LICENCES, _CREDITS = ("licence", "license"), ("credit", "attribution", "author")


class NoCaption(RowError):
    """A row has no instruction, or none in any of the languages asked for."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes records of rows.

    Args:
        rules: resolve the paths in rows.
        images: looks at picture files.
        languages: languages of the instructions that go out, the preferred one first; empty: all, in the row's order.
    """

    rules: PathRules
    images: Images
    languages: tuple[str, ...] = ()

    def records(self, row: Row, place: str, *, of: RowsOf = "rows") -> list[Record]:
        """The records of a row.

        Args:
            row: a row with at least one result; each result becomes a record of its own.
            place: file and line of the row.
            of: which rows these are. In "pairs" the first result is the better edit and the others are worse. Records
                of "pairs" and "tries" get ids by their content, since several of them have the id of one row.

        Raises:
            ChangedPicture: a picture has other bytes than when the row was made.
            UnusablePicture: a picture is missing, empty or damaged.
            NoCaption: the row has no instruction in these languages.
            RowError: a column has an unknown form.
        """
        edits = edits_of(row)
        sources = self._pictures(row, _images_column(row))
        is_inverse = row.get("relation") == INVERSE  # its source is an edit, and its result a photo or a drawing
        results = [self._see(row, name, PAINTER if is_inverse or not sources else EDITOR) for name in edits]
        seen = [self._see(row, name, EDITOR if is_inverse else PAINTER) for name in sources]
        mask = self._mask(row, seen)
        base = _RowRecords(row, place, seen, mask, of != "rows")
        if row.get("turns"):
            return [self._conversation(base, results)]
        captions = self._captions(row)
        _check_each_judged(row, len(results))
        if of == "pairs":
            return [base.record(captions, results[0], 0, edits, losers=results[1:])]
        return [base.record(captions, result, k, edits) for k, result in enumerate(results)]

    def _see(self, row: Row, name: str, worker: str) -> Seen:
        source_type = row.get("digital_source_type")
        with errors_of_pictures():
            path = self.rules.resolve(name)
            return self.images.see(path, worker, source_type if isinstance(source_type, str) else "")

    def _pictures(self, row: Row, column: str) -> tuple[str, ...]:
        return picture_paths(row[column], column) if row.get(column) else ()

    def _mask(self, row: Row, sources: Sequence[Seen]) -> Image | None:
        path = mask_path(row.get("mask"), "mask")
        if path is None:
            return None
        with errors_of_pictures():
            mask = self.images.mask(self.rules.resolve(path))
        if not sources or mask.shape != sources[0].image.shape:
            raise UnusablePicture(f"mask {path} is no picture of the size of the row's first input")
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
        known = next((caption for caption in others if caption.text == first), None)
        caption = known or Caption(first, _language(first, row.get("language")))
        return self._chosen([caption, *others])

    def _chosen(self, captions: Sequence[Caption]) -> tuple[Caption, ...]:
        """The captions in `languages`, in the order of these, without empty and repeated texts."""
        once: dict[str, Caption] = {}
        for caption in captions:
            if any(letter.isprintable() and not letter.isspace() for letter in caption.text):
                once.setdefault(caption.text, caption)
        found = list(once.values())
        if self.languages:
            found = [caption for caption in found if caption.language in self.languages]
            found.sort(key=lambda caption: self.languages.index(caption.language))
        if not found:
            raise NoCaption(f"no instruction in {', '.join(self.languages) or 'any language'}")
        for caption in found:
            _check_whole(caption.text)
        return tuple(found)

    def _conversation(self, base: "_RowRecords", results: Sequence[Seen]) -> Record:
        """The record of a conversation, each of whose turns has one result."""
        row, row_turns = base.row, base.row["turns"]
        if len(row_turns) != len(results):
            raise RowError(
                f"`turns` has {count_of(len(row_turns), 'turn')} and `{EDITED[0]}` {count_of(len(results), 'picture')}:"
                " one picture belongs to each turn"
            )
        verdicts = row.get(VERDICT) or [{}] * len(row_turns)
        turns = []
        for number, (turn, seen, verdict) in enumerate(zip(row_turns, results, verdicts, strict=True), start=1):
            if not 1 <= turn["version"] <= number:
                raise RowError(f"turn {number} edits version {turn['version']!r}, which is not there yet")
            caption = Caption(turn["instruction"], _language(turn["instruction"], row.get("language")))
            wordings = list(_wordings(row.get("instructions"), turn=number)) or [caption]
            chosen = self._chosen([caption]) if not self.languages else self._chosen([caption, *wordings])
            image = base.fitted(seen)
            turns.append(Turn(chosen[0], self._chosen(wordings)[0].text, turn["version"], image, verdict))
        whole = base.record(tuple(turn.caption for turn in turns), results[-1], 0, [str(row.get("id", base.place))])
        scores = [turn.verdict["score"] for turn in turns if "score" in turn.verdict]
        accepted = base.all_accepted(len(turns))
        together: Row = {"accepted": accepted} | ({"score": min(scores)} if scores else {})
        return replace(whole, turns=tuple(turns), accepted=accepted, verdict=together if row.get(VERDICT) else {})


@dataclass(frozen=True, slots=True)
class _RowRecords:
    """Makes the records of one row from what they share.

    Args:
        row: the row.
        place: file and line of the row.
        sources: the input pictures.
        mask: of the first input; None: the row has none.
        id_by_content: make ids from instruction and pictures even if the row has an id.
    """

    row: Row
    place: str
    sources: Sequence[Seen]
    mask: Image | None
    id_by_content: bool

    def record(
        self, captions: tuple[Caption, ...], result: Seen, k: int, edits: Sequence[str], losers: Sequence[Seen] = ()
    ) -> Record:
        """The record of the k-th result, from 0, of the row's `edits`."""
        row = self.row
        verdicts = row.get(VERDICT)
        verdict = verdicts[k] if isinstance(verdicts, list) and k < len(verdicts) else verdicts
        accepted = row.get("accepted")
        said = accepted[k] if isinstance(accepted, list) and accepted else accepted
        images = tuple(self.fitted(source, result) for source in self.sources)
        return Record(
            self._id(captions[0].text, images, result.image, k, edits, losers),
            images,
            self._roles(),
            captions,
            self.fitted(result),
            self.mask,
            losers=tuple(map(self.fitted, losers)),
            edit_type=_text(row.get("edit_type")),
            sub_type=_text(row.get("sub_type")),
            verdict=verdict if isinstance(verdict, dict) else {},
            accepted=self.accepted(verdict, said),
            licence=_joined_texts(row, _LICENCES),
            credit=_joined_texts(row, _CREDITS),
            parent_id=_text(row.get("parent_id")),
            relation=_text(row.get("relation")),
            place=self.place,
        )

    def all_accepted(self, turns: int) -> bool | None:
        """Whether all turns of a conversation are accepted: False if one is rejected, else None if one is unjudged."""
        verdict, said = self.row.get(VERDICT), self.row.get("accepted")
        each_said = said if isinstance(said, list) and said else [said] * turns
        if isinstance(verdict, list) and verdict:
            found = [self.accepted(one, word) for one, word in zip(verdict, each_said, strict=True)]
        else:
            found = [self.accepted(verdict, word) for word in each_said]
        return False if False in found else None if None in found else True

    @staticmethod
    def accepted(verdict: object, said: object = None) -> bool | None:
        """Whether an edit is accepted, by its verdict or else by the column `accepted`; None: not judged.

        Raises:
            RowError: the column holds no word for true, false or null.
        """
        if isinstance(verdict, list) or (isinstance(verdict, Mapping) and verdict.get("accepted") is not None):
            return is_accepted(verdict)
        word = str(said).strip().casefold()
        if word not in _ACCEPTED_WORDS:
            raise RowError(f"`accepted` holds {said!r:.80}: say true, false or null")
        return _ACCEPTED_WORDS[word]

    @staticmethod
    def fitted(seen: Seen, result: Seen | None = None) -> Image:
        """The image of a picture as it goes out; its colour profile is applied only if the result has one too.

        A model sees the bare numbers of pixels and answers in such numbers. If the result has no profile, its numbers
        belong to the colours of the source, and a profile applied to one of the two pictures would shift all colours
        between them.

        Args:
            seen: the picture.
            result: the edit that the picture belongs to; None: the picture is itself a result.
        """
        image, against = seen.image, result or seen
        if image.bake is not None and seen.look.profile == "other" and against.look.profile:
            return replace(image, bake=replace(image.bake, profile=True))
        return image

    def _id(
        self, text: str, images: Sequence[Image], edited: Image, k: int, edits: Sequence[str], losers: Sequence[Seen]
    ) -> str:
        given = self.row.get("id")
        if given in (None, "") or self.id_by_content:
            results = (edited, *(loser.image for loser in losers))
            if all(has_made_name(image.path) for image in results):
                return Edit(tuple(image.path for image in images), text, tuple(image.path for image in results)).id
            # Files that no worker named may have the same name in several folders, so their digests tell them apart.
            return Edit(tuple(image.sha256 for image in images), text, tuple(image.sha256 for image in results)).id
        return str(given) if len(edits) == 1 else f"{given}_{k + 1}"

    def _roles(self) -> tuple[str, ...]:
        roles = self.row.get("roles")
        if isinstance(roles, list) and len(roles) == len(self.sources):
            return tuple(map(str, roles))
        return tuple("source" if k == 0 else "reference" for k in range(len(self.sources)))


def edits_of(row: Row) -> tuple[str, ...]:
    """The paths of a row's results; empty for a failed row.

    Raises:
        RowError: the column holds no path and no list of paths.
    """
    column = next((name for name in EDITED if name in row), EDITED[0])
    value = row.get(column)
    given = value if isinstance(value, list) else [value]
    return picture_paths([path for path in given if path], column)


def operation_of(row: Row) -> str:
    """A row's operation, or its group if the row names no operation; empty: it names neither."""
    return str(row.get("sub_type") or row.get("edit_type") or "")


def inputs_of(row: Row) -> int:
    """The number of a row's input pictures."""
    value = row.get(_images_column(row))
    return len(value) if isinstance(value, list) else int(bool(value))


def _images_column(row: Row) -> str:
    return next((name for name in IMAGES if name in row), IMAGES[0])


def _wordings(value: JSON, turn: int | None = None) -> Iterator[Caption]:
    """The captions in the column `instructions`.

    Args:
        value: of the column; anything but a list has no captions.
        turn: number of a conversation's turn, from 1; None: captions that belong to no turn.
    """
    for form in value if isinstance(value, list) else []:
        if isinstance(form, str):
            form = {"content": form}
        if isinstance(form, dict) and isinstance(text := form.get("content"), str) and form.get("turn") == turn:
            yield Caption(text, _language(text, form.get("language")), _text(form.get("length")))


def _language(text: str, named: object) -> str:
    """The language of a text: the one that a column names, else "zh" for a text with Chinese letters, else "en"."""
    return named if isinstance(named, str) and named else "zh" if _CHINESE.search(text) else "en"


def _check_each_judged(row: Row, edits: int) -> None:
    """Check that each edit has a verdict of its own, so that no rejected edit goes out by its neighbour's verdict.

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
    """Check that a text can be written as UTF-8, as trainers read it.

    Raises:
        RowError: the text has half a character, such as the first of two surrogates.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RowError(f"the instruction {text[:60]!r} has half a character: write it again whole") from None


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _joined_texts(row: Row, columns: Sequence[str]) -> str:
    value = next((row[name] for name in columns if row.get(name)), "")
    return "; ".join(dict.fromkeys(map(str, value))) if isinstance(value, list) else str(value)

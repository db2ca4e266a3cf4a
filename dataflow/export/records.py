"""The record that every format is made of: one edit, or one conversation of edits.

A record was checked: its pictures exist and are whole, and each says how it goes out. Formats get records and nothing
else, so no format knows the columns of rows.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Literal

from dataflow.core.records import Row

_STEM = re.compile(r"[0-9a-z][0-9a-z_]{0,79}")
ENDINGS: Mapping[str, str] = {"png": "png", "jpeg": "jpg", "webp": "webp"}
PNG = "png"

DRAWN = "trainedAlgorithmicMedia"
"""Made by a model from words alone. Source: https://cv.iptc.org/newscodes/digitalsourcetype/."""
EDITED = "compositeWithTrainedAlgorithmicMedia"
"""Made by a model from another picture. Source: as `DRAWN`."""


@dataclass(frozen=True, slots=True)
class MadeBy:
    """Who made a picture; all fields but `source_type` are empty for a picture that no worker made.

    Args:
        request: id of the request that the picture answers.
        asked: the model that the request named; empty if the cache does not say it, or names several.
        answered: the model that answered, as the reply names it.
        provider: the provider that answered, if a router names it.
        revision: of the model; empty: not known.
        licence: of the model's weights, as their card names it.
        seed: the seed that follows from the request's id, for a model that ran on this machine; None: not known.
        source_type: IPTC's digital source type, without its address; for a picture that no worker made, the type that
            its row names.
    """

    request: str = ""
    asked: str = ""
    answered: str = ""
    provider: str = ""
    revision: str = ""
    licence: str = ""
    seed: int | None = None
    source_type: str = ""


@dataclass(frozen=True, slots=True)
class Bake:
    """How a picture is baked: made anew as one PNG of upright 8-bit RGB, by `dataflow.export.pictures.bake`.

    Args:
        profile: apply the colour profile; false: keep the pixels' numbers and drop the profile.
        canvas: width and height in pixels of the ground on which the picture is centred; None: its own size.
        mask: the picture is a mask: it becomes 8-bit grey of 0 and 255, and its ground is black instead of white.
    """

    profile: bool = False
    canvas: tuple[int, int] | None = None
    mask: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """One picture of a record.

    Args:
        path: absolute path of the file, in the cache or among the user's pictures.
        sha256: of that file, 64 hex digits.
        size: of that file, in bytes.
        width: of the upright picture in pixels, without a canvas; see `shape`.
        height: likewise.
        kind: format of that file by its content: "png", "jpeg", "webp", or another one in small letters.
        bake: how the picture is made anew as a PNG; None: the file goes out as it is.
        by: who made the picture.
    """

    path: str
    sha256: str
    size: int
    width: int
    height: int
    kind: str
    bake: Bake | None = None
    by: MadeBy = MadeBy()

    @property
    def ending(self) -> str:
        """Ending of the file that goes out, without the dot: "png", "jpg" or "webp"."""
        return PNG if self.bake is not None else ENDINGS[self.kind]

    @property
    def shape(self) -> tuple[int, int]:
        """Width and height in pixels of the picture that goes out."""
        canvas = None if self.bake is None else self.bake.canvas
        return canvas or (self.width, self.height)


@dataclass(frozen=True, slots=True)
class Caption:
    """An instruction in one wording.

    Args:
        text: the instruction as the row has it, with its line breaks.
        language: such as "en" or "zh".
        length: "short" or "long"; empty: the row does not say.
    """

    text: str
    language: str
    length: str = ""

    @property
    def line(self) -> str:
        """The text on one line, for formats in which a line break begins another caption."""
        return " ".join(self.text.split())


@dataclass(frozen=True, slots=True)
class Turn:
    """One edit of a conversation.

    Args:
        caption: the instruction in full, which needs no other turn: "move the red star to the left".
        said: the words of the user in the conversation: "move it to the left".
        version: which picture the turn edits: 1 is the record's first input, 2 the result of the first turn, and so on.
        edited: the result.
        verdict: of the result, as a row has it.
    """

    caption: Caption
    said: str
    version: int
    edited: Image
    verdict: Row = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """One edit; with `turns`, one conversation of edits.

    Args:
        id: of the row; for a row without one it follows from instruction and pictures, the same in every run. No two
            records have the same id.
        images: the input pictures, in order; none for a drawing.
        roles: "source" or "reference", for each of `images`.
        captions: the instruction first, then its other wordings and languages; never empty.
        edited: the result; the last turn's in a conversation.
        mask: white where the edit may change the first picture; None: the record has no mask.
        turns: of a conversation; empty for a record of one edit.
        losers: the worse edits of a pair (`Format.rows` "pairs"); else empty.
        edit_type: group of the operation, such as "object"; empty: not known.
        sub_type: the operation, such as "recolour"; empty: not known.
        verdict: as the row has it, see docs/accepting.md; empty if nobody judged. The verdict of a pair has `axis`,
            `margin` and both `verdicts`, the better edit's first.
        accepted: whether the edit was accepted; None: not judged.
        licence: of the input pictures, as the row names it; empty: not known.
        credit: whom to name for the input pictures, as the row says; empty: not known.
        parent_id: id of the record that this one was grown from, see docs/growth.md; empty: none.
        relation: how this record was grown from that one, such as "inverse"; empty: it was not.
        split: "train", or a name of `--split`.
        place: file and line of the row, for messages.
    """

    id: str
    images: tuple[Image, ...]
    roles: tuple[str, ...]
    captions: tuple[Caption, ...]
    edited: Image
    mask: Image | None = None
    turns: tuple[Turn, ...] = ()
    losers: tuple[Image, ...] = ()
    edit_type: str = ""
    sub_type: str = ""
    verdict: Row = field(default_factory=dict)
    accepted: bool | None = None
    licence: str = ""
    credit: str = ""
    parent_id: str = ""
    relation: str = ""
    split: str = "train"
    place: str = ""

    @property
    def stem(self) -> str:
        """The name of the record's files without ending: the id if it is at most 80 of [0-9a-z_], else its digest."""
        if _STEM.fullmatch(self.id):
            return self.id
        return hashlib.blake2b(self.id.encode(errors="replace"), digest_size=16).hexdigest()

    @property
    def instruction(self) -> str:
        """The instruction of the edit, in the language that `--language` prefers, with its line breaks."""
        return self.captions[0].text

    @property
    def line(self) -> str:
        """The instruction on one line."""
        return self.captions[0].line

    @property
    def instruction_short(self) -> str:
        """The short wording in the language of the instruction; empty if there is none."""
        return self.wording(self.captions[0].language, "short")

    def wording(self, language: str, length: str = "") -> str:
        """The text of the first caption in a language; empty if there is none.

        Args:
            language: such as "en".
            length: "short" or "long"; empty: any length.
        """
        found = (
            caption.text for caption in self.captions if caption.language == language and length in ("", caption.length)
        )
        return next(found, "")

    @property
    def score(self) -> float | None:
        """The verdict's score, 0 to 10; None if the verdict has none."""
        score = self.verdict.get("score")
        return float(score) if isinstance(score, int | float) else None

    @property
    def axes(self) -> Mapping[str, object]:
        """Axis of the verdict → its number; empty if the verdict has no axes or another form."""
        axes = self.verdict.get("axes")
        return axes if isinstance(axes, dict) else {}

    def all_images(self) -> Iterator[Image]:
        """Every picture of the record: inputs, results of turns, result, losers and mask, each once."""
        yield from self.images
        yield from (turn.edited for turn in self.turns[:-1])
        yield self.edited
        yield from self.losers
        if self.mask is not None:
            yield self.mask

    def apart(self) -> "tuple[Record, ...]":
        """One record for each turn of a conversation, for formats that take no turns; any other record as it is."""
        if not self.turns:
            return (self,)
        versions = (self.images[0], *(turn.edited for turn in self.turns))
        return tuple(
            replace(
                self,
                id=f"{self.id}_{number}",
                images=(versions[turn.version - 1],),
                roles=("source",),
                captions=(turn.caption,),
                edited=turn.edited,
                turns=(),
                verdict=turn.verdict,
                relation="turn",
                parent_id=self.id,
            )
            for number, turn in enumerate(self.turns, start=1)
        )


NOBODY = MadeBy()
"""The maker of a picture that no worker made and of which the row says nothing."""
_NOTHING = astuple(NOBODY)


def read_record(found: Row) -> Record:
    """The record of which `orjson.dumps` wrote this dict.

    Args:
        found: the fields in the order of the dataclass. It is changed: dataclasses are made in place of dicts.
    """
    values = found
    values["images"] = tuple(map(_image, values["images"]))
    values["losers"] = tuple(map(_image, values["losers"]))
    values["roles"] = tuple(values["roles"])
    values["captions"] = tuple(Caption(*caption.values()) for caption in values["captions"])
    values["edited"] = _image(values["edited"])
    values["mask"] = None if values["mask"] is None else _image(values["mask"])
    values["turns"] = tuple(map(_turn, values["turns"]))
    return Record(*values.values())


def _turn(found: Row) -> Turn:
    caption, said, version, edited, verdict = found.values()
    return Turn(Caption(*caption.values()), said, version, _image(edited), verdict)


def _image(found: Row) -> Image:
    path, sha256, size, width, height, kind, bake, by = found.values()
    if bake is not None:
        profile, canvas, mask = bake.values()
        bake = Bake(profile, canvas if canvas is None else tuple(canvas), mask)
    made_by = tuple(by.values())
    maker = NOBODY if made_by == _NOTHING else MadeBy(*made_by)
    return Image(path, sha256, size, width, height, kind, bake, maker)


RowsOf = Literal["rows", "pairs", "tries"]
"""Which rows the records of a format are made of: those of the step, or those of one of its side outputs."""

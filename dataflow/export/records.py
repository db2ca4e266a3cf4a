"""The canonical record: what every format is made of, one edit or one conversation of edits.

A record is a value that was checked: its pictures are there and whole, and each says how it goes out. Formats are given
nothing else, so none of them knows what a row looks like.
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
"""Made by a model of another picture. Source: as `DRAWN`."""


@dataclass(frozen=True, slots=True)
class MadeBy:
    """Who made a picture; all fields are empty for one that came in.

    Args:
        request: id of the request that it answers.
        asked: the model that was asked for; empty where the cache does not tell, or not which of several.
        answered: the model that answered, as the reply names it.
        provider: at which provider, where a router says so.
        revision: of the model, where it is known.
        licence: of the model's weights, as their card says.
        seed: of a request to a model that ran here, if the user gave none: it follows from the id.
        source_type: IPTC's digital source type, without its address; of a picture that came in, what its row says.
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
    """How a picture is made anew, as one PNG of upright 8-bit RGB; see `dataflow.export.pictures`.

    Args:
        profile: apply its colour profile; else its numbers stay and the profile goes.
        canvas: width and height of a white ground on which it is centred; None: none.
        mask: it is a mask: 8-bit grey of nothing but 0 and 255, on a black ground.
    """

    profile: bool = False
    canvas: tuple[int, int] | None = None
    mask: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """One picture of a record.

    Args:
        path: absolute, of the file in the cache or among the input.
        sha256: of that file, in hex.
        size: of that file, in bytes.
        width, height: in pixels as shown; a canvas is not in them, see `shape`.
        kind: of that file by its content: "png", "jpeg", "webp", or another format in small letters.
        bake: None: the file goes out as it is; else how it is made anew, as a PNG.
        by: who made it.
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
        """Of the file that goes out, without its dot: png, jpg or webp."""
        return PNG if self.bake is not None else ENDINGS[self.kind]

    @property
    def shape(self) -> tuple[int, int]:
        """Width and height in pixels of what goes out."""
        canvas = None if self.bake is None else self.bake.canvas
        return canvas or (self.width, self.height)


@dataclass(frozen=True, slots=True)
class Caption:
    """An instruction in one wording.

    Args:
        text: as the row has it, with its ends of lines.
        language: such as "en" or "zh".
        length: "short", "long", or empty.
    """

    text: str
    language: str
    length: str = ""

    @property
    def line(self) -> str:
        """The text on one line, for formats in which an end of line begins another caption."""
        return " ".join(self.text.split())


@dataclass(frozen=True, slots=True)
class Turn:
    """One edit of a conversation.

    Args:
        caption: its instruction, whole in itself.
        said: what the user says in the conversation: "move it to the left".
        version: which picture it edits: 1 is the record's first input, 2 what the first turn made, and so on.
        edited: the result.
        verdict: as a row's.
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
        id: of the row; or follows from instruction and pictures, the same in every run. No two records have one.
        images: the pictures it starts from, in order; none of a drawing.
        roles: what each of `images` is: "source" or "reference".
        captions: its instruction first, then the same in other wordings and languages; never empty.
        edited: the result; of a conversation the last.
        mask: white where the first picture may change; None: there is none.
        turns: two or more of a conversation; else none.
        losers: edits of the same request that are worse, in pairs (`Format.rows` "pairs").
        edit_type: the group of the operation, such as "local"; empty: not known.
        sub_type: the operation, such as "recolour"; empty: not known.
        verdict: as the row has it, empty where nobody judged; see docs/accepting.md. In a pair it has `axis`,
            `margin` and both `verdicts`, the better edit's first.
        accepted: True or False; None: not judged.
        licence: of the input pictures, as the row says; empty: not known.
        credit: whom to name for the input pictures, as the row says; empty: not known.
        parent_id: the record that this one was grown from, see docs/growth.md; empty: none.
        relation: how it was grown from that one, such as "inverse"; empty: not at all.
        split: "train", or another one of `--split`.
        place: of the row: file and line, for messages.
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
        """Its name in a file system, of [0-9a-z_] alone: the id, or a digest of an id of other letters."""
        if _STEM.fullmatch(self.id):
            return self.id
        return hashlib.blake2b(self.id.encode(errors="replace"), digest_size=16).hexdigest()

    @property
    def instruction(self) -> str:
        """By which it was edited, unless `--language` asks for another one; with its ends of lines."""
        return self.captions[0].text

    @property
    def line(self) -> str:
        """The instruction on one line."""
        return self.captions[0].line

    @property
    def instruction_short(self) -> str:
        """The short wording in the language of the instruction; empty: there is none."""
        return self.wording(self.captions[0].language, "short")

    def wording(self, language: str, length: str = "") -> str:
        """The first caption in a language, of a length where one is named; empty: there is none."""
        found = (each.text for each in self.captions if each.language == language and length in ("", each.length))
        return next(found, "")

    @property
    def score(self) -> float | None:
        """Of its verdict, 0 to 10; None: nobody gave one."""
        score = self.verdict.get("score")
        return float(score) if isinstance(score, int | float) else None

    @property
    def axes(self) -> Mapping[str, object]:
        """Of its verdict: name → number; none of a verdict in another form."""
        axes = self.verdict.get("axes")
        return axes if isinstance(axes, dict) else {}

    def all_images(self) -> Iterator[Image]:
        """Every picture, also those of turns, the losers and the mask; the result of a conversation once."""
        yield from self.images
        yield from (each.edited for each in self.turns[:-1])
        yield self.edited
        yield from self.losers
        if self.mask is not None:
            yield self.mask

    def apart(self) -> "tuple[Record, ...]":
        """A conversation as one record for each turn, for formats that take no turns; another record alone."""
        if not self.turns:
            return (self,)
        versions = (self.images[0], *(each.edited for each in self.turns))
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
"""Of most pictures that came in."""
_NOTHING = astuple(NOBODY)


def read_record(found: Row) -> Record:
    """A record of what `orjson.dumps` writes of one, whose fields stand in their order."""
    values = found
    values["images"] = tuple(map(_image, values["images"]))
    values["losers"] = tuple(map(_image, values["losers"]))
    values["roles"] = tuple(values["roles"])
    values["captions"] = tuple(Caption(*each.values()) for each in values["captions"])
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
"""Which rows a format is made of: those of the step, or one of its side outputs."""

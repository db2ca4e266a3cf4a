"""The values that the parts of the library exchange: rows, requests, jobs, pictures and answers.

All but `Row` are frozen. A request says what is asked and nothing about how it is sent, so that its id stays the same
when the address, the key or the number of workers changes.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import orjson

from dataflow.errors import AnswerError, Failure, RowError

Row = dict[str, Any]
Makes = Literal["image", "text"]
JSON = str | int | float | bool | None | list["JSON"] | dict[str, "JSON"]
NOTHING_USED: Mapping[str, float] = MappingProxyType({})
PICTURES_SENT = "pictures_sent"  # key of an answer's usage: pictures in its reply, if there were more than are kept
_HALF = re.compile("[\ud800-\udfff]")
NANO = 1_000_000_000  # sums of money are whole billionths of the currency


@dataclass(frozen=True, slots=True)
class Side:
    """A row for the side output `{prefix}_step{n}.{name}.jsonl` instead of the step's file.

    Args:
        name: of the side output, which the operator declares.
        row: the row.
    """

    name: str
    row: Row


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation before the prompt, such as the system prompt.

    Args:
        role: the speaker.
        text: the message.
        images: absolute paths of the pictures in it, in order.
    """

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of one worker, in one call.

    Args:
        prompt: the instruction or description.
        images: absolute paths of the input pictures, in order.
        makes: what a good answer holds, pictures or a text.
        turns: the conversation before the prompt, in order.
        size: width and height of the picture to make, in pixels; None leaves the size to the model.
        seed: the user's seed; None: the seed is derived from the request's id.
        repeat: number of this candidate, from 0, where several are asked for the same prompt.
        worker: the name under which the operator knows the worker.
        schema: the JSON schema of a text answer, as JSON text; empty for none. A serving that can hold its model to a
            schema does so, every other one ignores it. It is in the id only where it is given.
        mask: absolute path of a picture as large as the first of `images`: white where that picture may change, black
            where it must stay; None: all of it may change. It is in the id only where it is given.
        labels: a text before each of `images`, by which the prompt names them; as many as `images`, or none. They are
            in the id only where they are given.
        along: whether it is asked only if another request of its wave is. Where the journal answers all of those, its
            own answer is a failure, and costs nothing. It is not in the id.
        anew: whether an answer of an earlier run does not count, since it is known to be wrong. It is not in the id.

    Raises:
        TypeError: `images` is one text, or holds something else than texts, such as a `pathlib.Path`.
    """

    prompt: str
    images: tuple[str, ...] = ()
    makes: Makes = "image"
    turns: tuple[Turn, ...] = ()
    size: tuple[int, int] | None = None
    seed: int | None = None
    repeat: int = 0
    worker: str = "worker"
    schema: str = ""
    mask: str | None = None
    labels: tuple[str, ...] = ()
    along: bool = False
    anew: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.images, str) or not all(isinstance(path, str) for path in self.images):
            raise TypeError(f"Request(images=...) is {self.images!r:.80}: give a tuple of texts, such as (str(path),)")

    def all_images(self) -> tuple[str, ...]:
        """The paths of all pictures that the model sees: those of the turns, then the prompt's own."""
        if not self.turns:
            return self.images
        return (*(path for turn in self.turns for path in turn.images), *self.images)

    def all_files(self) -> tuple[str, ...]:
        """The paths of all picture files that are read: those of `all_images`, then the mask."""
        return self.all_images() if self.mask is None else (*self.all_images(), self.mask)


class PictureFacts(NamedTuple):
    """Facts of a picture file when it was last read whole.

    Args:
        size: of the file, in bytes.
        stamp: changes when the file does, so that an unchanged file need not be read again; see `stamp_of`.
        sha256: of the content, in hex.
        width: in pixels, after the rotation that its EXIF data asks for.
        height: as `width`.
    """

    size: int
    stamp: int
    sha256: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Job:
    """A request with its id, ready for a worker.

    Args:
        id: 32 hex digits, a digest of the request, of the worker's fingerprint and of the contents of its pictures.
        request: what is asked.
        facts: facts of each picture when the id was made, in the order of `all_files`; empty if nobody read them.
    """

    id: str
    request: Request
    facts: tuple[PictureFacts, ...] = ()

    def pictures(self) -> dict[str, PictureFacts | None]:
        """Path of each picture, in order, the mask last → its facts when the id was made. Each path comes once."""
        return dict(zip_longest(self.request.all_files(), self.facts))

    @property
    def seed(self) -> int:
        """The user's seed, else 31 bits of the id, from 0 to `2**31 - 1`."""
        return int(self.id[:8], 16) >> 1 if self.request.seed is None else self.request.seed


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on disk.

    Args:
        path: absolute.
        sha256: of the content, in hex.
        size: in bytes.
        width: in pixels.
        height: in pixels.
    """

    path: str
    sha256: str
    size: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request; with `error` it is a failure.

    Args:
        pictures: in the order in which the model gave them.
        text: the text of the reply, beside or instead of pictures.
        usage: tokens and images that are charged, by the names in the reply.
        error: why there is no usable answer; None if there is one.
        cost: of the attempt that gave the answer, in billionths of the currency. The journal has it, so it is the same
            in every run. 0 where nobody charges; None: not known.
        model: the model that answered, as the reply names it; empty if the reply names none.
        provider: the provider that a router chose, as the reply names it; empty if the reply names none.

    Raises:
        TypeError: `pictures` holds something else than `Picture`, such as paths; `text` or `error` has another type.
    """

    pictures: tuple[Picture, ...] = ()
    text: str = ""
    usage: Mapping[str, float] = field(default_factory=lambda: NOTHING_USED)
    error: Failure | None = None
    cost: int | None = 0
    model: str = ""
    provider: str = ""

    def __post_init__(self) -> None:
        for picture in self.pictures:
            if type(picture) is not Picture:
                raise TypeError(f"Answer(pictures=...) holds {picture!r}: give what ImageIO(save_path).save returns")
        if type(self.text) is not str:
            raise TypeError(f"Answer(text=...) is {type(self.text).__name__}: give a str")
        if self.error is not None and type(self.error) is not Failure:
            raise TypeError(f"Answer(error=...) is {self.error!r}: give a Failure, such as Failure('failed', 'why')")

    def raise_for_error(self) -> "Answer":
        """This answer, if it is usable.

        Raises:
            AnswerError: the request failed; it carries the failure.
        """
        if self.error is not None:
            raise AnswerError(self.error)
        return self


@dataclass(frozen=True, slots=True)
class Charge:
    """What one attempt cost, at a worker that charges.

    Args:
        cost: in billionths of the currency; None: the reply names no cost, or the model has no price.
        estimated: whether the cost is the price of usual pictures, since the reply counts nothing that has a price.
        disbelieved: a cost that the reply states and that no request can have, in the currency; 0: there is none.
    """

    cost: int | None
    estimated: bool = False
    disbelieved: float = 0.0


def digest_fingerprint(fingerprint: Mapping[str, JSON]) -> bytes:
    """The 16 bytes by which a worker's fingerprint enters the ids of its requests.

    Args:
        fingerprint: what the answers depend on, such as model, version and settings, as values that JSON has; the order
            of the names does not count.
    """
    return hashlib.blake2b(orjson.dumps(dict(fingerprint), option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def digest_request(request: Request, fingerprint: bytes, images: Mapping[str, str]) -> bytes:
    """The 16 bytes that identify a request: what is asked, of which worker, and about which contents of pictures.

    Args:
        request: the request.
        fingerprint: `digest_fingerprint` of the worker that is asked.
        images: path → content digest, of every picture of the request, its mask included.

    Raises:
        RowError: a text holds half a character, which no server accepts.
    """
    turns = [[t.role, t.text, [images[p] for p in t.images]] for t in request.turns]
    asked: list[object] = [
        request.prompt,
        [images[p] for p in request.images],
        request.makes,
        turns,
        request.size,
        request.seed,
        request.repeat,
    ]
    if request.schema:
        asked.append(request.schema)
    if request.mask is not None:
        asked.append(("mask", images[request.mask]))
    if request.labels:
        asked.append(("labels", request.labels))
    try:
        packed = orjson.dumps(asked)
    except orjson.JSONEncodeError:
        _check_whole(request)
        raise
    return hashlib.blake2b(packed, digest_size=16, key=fingerprint).digest()


def _check_whole(request: Request) -> None:
    """Check that no text of a request holds half a character.

    Raises:
        RowError: one does; the message shows the place.
    """
    for text in (request.prompt, request.schema, *request.labels, *(turn.text for turn in request.turns)):
        if half := _HALF.search(text):
            around = text[max(0, half.start() - 40) : half.end()]
            raise RowError(
                f"the text {around!r} ends in half a character, as one that was cut in the middle of an emoji does:"
                f" write it again whole"
            )


def salt_twin(digest: bytes, twin: int) -> str:
    """The id of a request, 32 hex digits.

    Args:
        digest: of the request, 16 bytes.
        twin: how many earlier rows have the same first wave; each number gives other ids.
    """
    if not twin:
        return digest.hex()
    return hashlib.blake2b(digest, digest_size=16, salt=twin.to_bytes(8, "big")).hexdigest()

"""The values that travel: rows, requests, jobs, pictures and answers.

All but `Row` are frozen. A request says what is wanted and nothing about how it is sent, so that
its id stays the same when the address, the key or the number of workers changes.
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
PICTURES_SENT = "pictures_sent"  # in an answer's usage: pictures of its reply, where there were more than are kept
_HALF = re.compile("[\ud800-\udfff]")
NANO = 1_000_000_000  # sums of money are whole billionths of the currency


@dataclass(frozen=True, slots=True)
class Side:
    """A row for `{prefix}_step{n}.{name}.jsonl` instead of the step's file.

    Args:
        name: of the side output; the operator declares it.
        row: what is written.
    """

    name: str
    row: Row


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of a conversation, the system prompt included."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One thing asked of one worker.

    Args:
        prompt: the instruction or description.
        images: absolute paths of the input pictures, in order.
        makes: what a good answer holds.
        turns: what was said before the prompt.
        size: width and height in pixels; None leaves it to the model.
        seed: the user's seed; None derives one from the request's id.
        repeat: which of several candidates for the same prompt this is.
        worker: the name under which the operator knows its serving.
        schema: the JSON schema that a text answer is to meet, as JSON text; a serving that can hold its
            model to it does, the others ignore it. It is in the id only where it is given.
        mask: absolute path of a picture as large as the first of `images`: white where that may change, black where
            it stays. It is in the id only where it is given.
        labels: a text before each of `images`, for a model that is told of them by name; none, or one for each. In the
            id only where they are given.
        along: it is asked only if another request of its wave is, so that it costs nothing where the others have their
            answers; its own is then a failure. Not in the id.
        anew: an answer of an earlier run will not do, since it is known to be wrong. Not in the id.
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

    def all_images(self) -> tuple[str, ...]:
        """The pictures of the earlier turns, then the prompt's own."""
        if not self.turns:
            return self.images
        return (*(path for turn in self.turns for path in turn.images), *self.images)

    def all_files(self) -> tuple[str, ...]:
        """Every picture file that is read: those of `all_images`, then the mask."""
        return self.all_images() if self.mask is None else (*self.all_images(), self.mask)


class PictureFacts(NamedTuple):
    """A picture file as it was when it was last read whole.

    Args:
        size: in bytes.
        stamp: tells without reading whether the file is still the same, see `stamp_of`.
        sha256: of its content, in hex.
        width, height: in pixels, as shown.
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
        id: digests the request and the contents of its pictures.
        request: what is asked.
        facts: of each picture when the id was made, in the order of `all_files`; empty where nobody looked.
    """

    id: str
    request: Request
    facts: tuple[PictureFacts, ...] = ()

    def pictures(self) -> dict[str, PictureFacts | None]:
        """Each picture's path, once and in order, with what the file was when the id was made; the mask comes last."""
        return dict(zip_longest(self.request.all_files(), self.facts))

    @property
    def seed(self) -> int:
        """The user's seed, else 31 bits of the id."""
        return int(self.id[:8], 16) >> 1 if self.request.seed is None else self.request.seed


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on disk: absolute path, content digest (hex), size in bytes and in pixels."""

    path: str
    sha256: str
    size: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request; `error` is set when nothing usable did.

    Args:
        pictures: in the order the model gave them.
        text: the model's words, beside or instead of pictures.
        usage: tokens and images charged, as far as the reply says.
        error: why there is no usable answer.
        cost: of the attempt that gave it, in billionths of the currency, as the journal has it: the same in every run.
            0 where nobody charges; None: nobody knows.
        model: who answered, as the reply names it; empty where it does not.
        provider: at which provider, where a router says so.

    Raises:
        TypeError: pictures that are no `Picture`, such as paths; a text or an error of another kind.
    """

    pictures: tuple[Picture, ...] = ()
    text: str = ""
    usage: Mapping[str, float] = field(default_factory=lambda: NOTHING_USED)
    error: Failure | None = None
    cost: int | None = 0
    model: str = ""
    provider: str = ""

    def __post_init__(self) -> None:
        for each in self.pictures:
            if type(each) is not Picture:
                raise TypeError(f"Answer(pictures=...) holds {each!r}: give what ImageIO(save_path).save returns")
        if type(self.text) is not str:
            raise TypeError(f"Answer(text=...) is {type(self.text).__name__}: give a str")
        if self.error is not None and type(self.error) is not Failure:
            raise TypeError(f"Answer(error=...) is {self.error!r}: give a Failure, such as Failure('failed', 'why')")

    def raise_for_error(self) -> "Answer":
        """This answer, for whoever cannot go on without one.

        Raises:
            AnswerError: it failed.
        """
        if self.error is not None:
            raise AnswerError(self.error)
        return self


@dataclass(frozen=True, slots=True)
class Charge:
    """What one attempt at a worker that charges cost.

    Args:
        cost: in billionths of the currency; None: the reply named no cost, or the model has no price.
        estimated: the reply counts nothing that could be priced: the cost is that of usual pictures.
        disbelieved: a cost that the reply states and no request can have, in the currency; 0: there is none.
    """

    cost: int | None
    estimated: bool = False
    disbelieved: float = 0.0


def digest_fingerprint(fingerprint: Mapping[str, JSON]) -> bytes:
    """16 bytes that stand for a worker's fingerprint in every id of its requests."""
    return hashlib.blake2b(orjson.dumps(dict(fingerprint), option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def digest_request(request: Request, fingerprint: bytes, images: Mapping[str, str]) -> bytes:
    """16 bytes for what is asked, of whom, about which picture contents.

    Args:
        request: the request.
        fingerprint: `digest_fingerprint` of the worker that answers it.
        images: path → content digest, for every picture of the request, its mask included.

    Raises:
        RowError: a text holds half a character, which no server takes.
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
    for text in (request.prompt, request.schema, *request.labels, *(turn.text for turn in request.turns)):
        if half := _HALF.search(text):
            around = text[max(0, half.start() - 40) : half.end()]
            raise RowError(
                f"the text {around!r} ends in half a character, as one that was cut in the middle of an emoji does:"
                f" write it again whole"
            )


def salt_twin(digest: bytes, twin: int) -> str:
    """The request's id as 32 hex digits; the k-th row with the same first wave gets ids of its own."""
    if not twin:
        return digest.hex()
    return hashlib.blake2b(digest, digest_size=16, salt=twin.to_bytes(8, "big")).hexdigest()

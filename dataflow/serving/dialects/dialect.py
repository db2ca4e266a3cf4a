"""A wire format as a value: how a request becomes a body, how a body becomes a reply, and what its servers take.

A format needs a name and two pure functions. The other fields say what its servers take; their defaults are those of an
API that takes neither sizes nor schemas and has no batch files.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from dataflow.core.records import JSON, Makes, Request
from dataflow.errors import ConfigError
from dataflow.serving.dialects.reply import EncodedPicture, Post, Reply

if TYPE_CHECKING:
    from PIL.Image import Image

BatchFiles = Literal["openai", "gemini"]
_HEADER = re.compile(r"[A-Za-z0-9-]+")


class Encode(Protocol):
    """The signature of the function that turns a request into an HTTP request."""

    def __call__(
        self,
        request: Request,
        pictures: Mapping[str, EncodedPicture],
        *,
        model: str,
        fields: Mapping[str, JSON],
        stream: bool,
    ) -> Post:
        """The HTTP request for a request.

        Args:
            request: its prompt, earlier turns, the paths of their pictures, the size in pixels, and the seed.
            pictures: path → MIME type and bytes, of every picture of the request, and of its mask as `encode_mask`
                makes it.
            model: the model's name at the provider.
            fields: further JSON fields for the body's top level, the user's own among them.
            stream: whether to ask for a streamed reply.
        """


def takes_no_size(width: int, height: int) -> str:
    """The `size_problem` of a format without a field for a size: it refuses every size."""
    return "this wire format has no field for a size: give the API's own field in extra_body"


def takes_any_size(width: int, height: int) -> str:
    """The `size_problem` of a format that sends the size in pixels as it is: it refuses none."""
    return ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire format.

    Args:
        name: for messages and for the records of batches.
        encode: turns a request into an HTTP request.
        decode: turns the body of a reply, whole or streamed, into a `Reply`. A large body is a view that is valid until
            `decode` returns.
        makes: what answers can hold: "image", "text" or both.
        base_path: the first part of the paths, for an address that has no path.
        key_header: the name of the one header that carries the key; empty: `Authorization`, as a bearer token.
        headers: further headers of every request, such as the version of the API; none of them may carry the key.
        size_problem: of a width and a height in pixels, why no such picture can be asked for; an empty text: it can.
            A request of a refused size is not sent. The default refuses every size, so a format whose `encode` sends
            sizes gives a function of its own.
        encode_mask: of a mask (mode L, 255 where the picture may change, else 0) the MIME type and bytes that `encode`
            gets; None: the servers take no mask. `dataflow.io.masks.transparent_mask` is the form of OpenAI's APIs.
        sampling_fields: of `temperature` and `max_tokens`, as far as they are given, the fields of this format.
        schema_fields: of a JSON schema as JSON text, the fields that ask for a text of this schema.
        schema_is_optional: whether a request is sent again without the schema's fields to a server that refuses them
            by name.
        stream_fields: further fields of a request for a stream; one that a server refuses by name is left out from
            then on.
        seeds_engines: whether an engine of one's own gets a `seed` where the request has none: some engines draw every
            picture with the same seed otherwise.
        cost_bounds: names of fields that bound what an answer costs, its pictures included. The first one that is given
            counts; a dot in a name leads into an object.
        batch_files: whose form of batch files the servers take; None: they take none.
        list_path: the path of the servers' list of models.

    Raises:
        ConfigError: `makes` has neither pictures nor texts; or a header is malformed, or would carry the key twice.
    """

    name: str
    encode: Encode
    decode: Callable[[bytes | memoryview], Reply]
    _: KW_ONLY
    makes: tuple[Makes, ...] = ("image", "text")
    base_path: str = "/v1"
    key_header: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    size_problem: Callable[[int, int], str] = takes_no_size
    encode_mask: "Callable[[Image], EncodedPicture] | None" = None
    sampling_fields: Callable[[Mapping[str, JSON]], dict[str, JSON]] = dict
    schema_fields: Callable[[str], dict[str, JSON]] = lambda _: {}
    schema_is_optional: bool = False
    stream_fields: Mapping[str, JSON] = field(default_factory=dict)
    seeds_engines: bool = False
    cost_bounds: tuple[str, ...] = ()
    batch_files: BatchFiles | None = None
    list_path: str = "/models"

    def __post_init__(self) -> None:
        if not self.makes or set(self.makes) - set(get_args(Makes)):
            raise ConfigError(f'dialect {self.name}: makes={self.makes!r}; give ("image",), ("text",) or both')
        key_headers = {"authorization", self.key_header.lower()}
        for name, value in {**self.headers, **({self.key_header: ""} if self.key_header else {})}.items():
            if not _HEADER.fullmatch(name):
                raise ConfigError(f"dialect {self.name}: {name!r} is no name of a header")
            if not (value.isascii() and value.isprintable()):
                raise ConfigError(f"dialect {self.name}: {value!r} is no value of a header")
        for name in self.headers:
            if name.lower() in key_headers:
                raise ConfigError(f"dialect {self.name}: {name!r} carries the key: name it in key_header alone")

"""One wire format as a value: how a request becomes a body, how a body becomes a reply, and what its servers want.

A format needs a name and two pure functions. Every other field says in which way its servers differ from those
of OpenAI; what is left out holds for an API that takes neither sizes nor schemas and has no batch files.
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
    """What turns a request into a body."""

    def __call__(
        self,
        request: Request,
        pictures: Mapping[str, EncodedPicture],
        *,
        model: str,
        fields: Mapping[str, JSON],
        stream: bool,
    ) -> Post:
        """The body that asks for this request.

        Args:
            request: prompt, earlier turns, the paths of their pictures, size and seed.
            pictures: path → MIME type and bytes, for every picture of the request, and for its mask as `encode_mask`
                makes it.
            model: the model's name at the provider.
            fields: further top-level fields, the user's own among them.
            stream: whether to ask for a stream.
        """


def takes_no_size(width: int, height: int) -> str:
    """The refusal of a format that has no field for a size."""
    return "this wire format has no field for a size: give the API's own field in extra_body"


def takes_any_size(width: int, height: int) -> str:
    """No refusal: the size in pixels is sent as it is."""
    return ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire format.

    Args:
        name: in messages, and in the records of batches.
        encode: turns a request into a body.
        decode: turns a body, whole or streamed, into a reply. A large body is a view, valid until `decode` returns.
        makes: what its answers can hold.
        base_path: the first part of its paths, where an address names none.
        key_header: the header that carries the key, and then alone does; empty: the key is a bearer token.
        headers: further headers of every request, such as a version of the API. The key belongs into none of them.
        size_problem: why a picture of this width and height cannot be asked for; empty if it can. Such a request
            is not sent, so a format whose `encode` sends sizes says so here.
        encode_mask: makes of a mask (mode L, 255 where its picture may change, else 0) the MIME type and bytes that
            `encode` sends; None: its servers take no mask. `dataflow.io.masks.transparent_mask` makes it for OpenAI's.
        sampling_fields: `temperature` and `max_tokens`, as far as they are given, under the names of this format.
        schema_fields: the fields that ask for a text of a JSON schema, which is given as JSON text.
        schema_is_optional: whether a server that refuses these fields by name is asked without them.
        stream_fields: sent with what asks for a stream; a server that refuses one by name is asked without it.
        seeds_engines: whether engines of one's own are given a `seed` although nobody asked for one, since some
            draw every picture with the same one otherwise.
        cost_bounds: the fields that bound what an answer costs, its pictures included; the first that is given
            counts. A dot leads into an object.
        batch_files: whose form of batch files its servers take; None: they take none.
        list_path: where its servers list their models.

    Raises:
        ConfigError: it makes neither pictures nor text; a header that is none, or that would carry the key twice.
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
        of_the_key = {"authorization", self.key_header.lower()}
        for name, value in {**self.headers, **({self.key_header: ""} if self.key_header else {})}.items():
            if not _HEADER.fullmatch(name):
                raise ConfigError(f"dialect {self.name}: {name!r} is no name of a header")
            if not (value.isascii() and value.isprintable()):
                raise ConfigError(f"dialect {self.name}: {value!r} is no value of a header")
        for name in self.headers:
            if name.lower() in of_the_key:
                raise ConfigError(f"dialect {self.name}: {name!r} carries the key: name it in key_header alone")

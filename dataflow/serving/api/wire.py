"""The form of requests to one address: dialect, provider, key, and the requests that are impossible there."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import urlsplit

from dataflow.core.records import JSON, Job, Request
from dataflow.core.words import count_of
from dataflow.errors import ConfigError, RowError
from dataflow.io.header import header_size
from dataflow.serving.api.address import is_private, normalise_address, read_key, shown_key_name
from dataflow.serving.api.failures.attempts import Target
from dataflow.serving.api.providers import SIZE_FIELDS, Provider, provider_of
from dataflow.serving.api.settings import ADDRESS_VARIABLE, ApiSettings
from dataflow.serving.backends import Size
from dataflow.serving.backends.canvas import at_area
from dataflow.serving.dialects import Dialect
from dataflow.serving.dialects.chat import CHAT
from dataflow.serving.dialects.narrow import merged
from dataflow.serving.dialects.reply import EncodedPicture, Post

NO_PROFILES: Mapping[str, Provider] = MappingProxyType({})
_NO_KEY = "none"  # the bearer token for servers that need no key and still want the header
_ACCOUNT = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}


@dataclass(frozen=True, slots=True)
class Wire:
    """The form of requests to one address.

    Args:
        settings: of the serving.
        address: normalised.
        dialect: the wire format.
        provider: what the server wants beside the dialect's fields.
        texts: the wire format of requests for texts, where `dialect` makes none and the user did not choose it; None:
            `dialect`.
    """

    settings: ApiSettings
    address: str
    dialect: Dialect
    provider: Provider
    texts: Dialect | None = None

    @property
    def host(self) -> str:
        """The host name or IP address in the address, without port."""
        return urlsplit(self.address).hostname or ""

    @property
    def is_own_server(self) -> bool:
        """Whether the address is this machine's or its network's."""
        return is_private(self.host)

    def dialect_of(self, request: Request) -> Dialect:
        """The wire format of a request."""
        return self.texts if self.texts is not None and request.makes == "text" else self.dialect

    def read_key(self) -> str:
        """The key, from the settings or the environment; empty: the address needs none.

        Raises:
            ConfigError: a key is needed and there is none, or no header can carry it.
        """
        return read_key(self.settings.key_name, host=self.host, given=self.settings.key)

    def headers(self) -> dict[str, str]:
        """The headers of every request: the key in one of them, and those that dialect and provider want.

        Raises:
            ConfigError: as in `read_key`.
        """
        headers, key = dict(self.dialect.headers), self.read_key()
        if not self.dialect.key_header:
            headers["Authorization"] = f"Bearer {key or _NO_KEY}"
        elif key:
            headers[self.dialect.key_header] = key
        if self.provider.openai_account:
            headers |= {name: value for name, variable in _ACCOUNT.items() if (value := os.environ.get(variable))}
        return headers

    def target(self, path: str) -> Target:
        """Where a request to a path goes, for the words of a failure.

        Args:
            path: below the address.

        Raises:
            ConfigError: as in `read_key`.
        """
        settings = self.settings
        key_name = "api_key=" if settings.key else shown_key_name(settings.key_name)
        fields = {*self.dialect.sampling_fields(settings.sampling), *settings.extra_body}
        return Target(self.address, path, settings.model, key_name, self.read_key(), frozenset(fields))

    def problem(self, request: Request) -> str:
        """Why a request is impossible at the address, so that it is not sent; empty: it is possible."""
        dialect, provider = self.dialect_of(request), self.provider
        task = self.settings.task if request.makes == "image" else None
        if request.makes == "image" and self.settings.image_io is None:
            return "pictures need a place: give the serving image_io=ImageIO(save_path=...)"
        if request.makes not in dialect.makes:
            return f'the {dialect.name} API makes no {request.makes}: use api_format="chat"'
        if task == "text2image" and request.images:
            return "Image_gen_task='text2image' draws from text alone: use 'imageedit' to edit pictures"
        if task == "imageedit" and not request.all_images():
            return "Image_gen_task='imageedit' edits pictures and got none: use 'text2image' to draw"
        if request.mask is not None and self.mask_problem:
            return self.mask_problem
        if dialect.name == "images" and provider.mask_problem and "mask" in self.settings.extra_body:
            return f"{self.address} {provider.mask_problem}: leave out `mask`, or edit where masks count"
        return dialect.size_problem(*request.size) if request.size is not None else ""

    def sized(self, job: Job) -> Request:
        """The request of a job, with the size of an edit that the provider wants where the request names none.

        Raises:
            RowError: the request has more input pictures than an edit may have at the address.
        """
        request, provider, images = job.request, self.provider, job.request.all_images()
        if request.makes != "image" or not images:
            return request
        if provider.most_inputs is not None and len(images) > provider.most_inputs:
            most = count_of(provider.most_inputs, "picture")
            raise RowError(
                f"{self.settings.model} takes at most {most} at {self.address}, and this row has {len(images)}"
            )
        size = self._edit_size(job)
        return request if size is None else replace(request, size=size)

    def _edit_size(self, job: Job) -> Size | None:
        """The size in pixels of an edit whose request names none; None: the server decides.

        An engine of one's own would draw at the input's own size, however large that is.
        """
        request, pixels = job.request, self.provider.edit_pixels
        if not pixels or self.dialect.name != "images" or request.size or SIZE_FIELDS & self.settings.extra_body.keys():
            return None
        first = (job.facts[0].width, job.facts[0].height) if job.facts else header_size(request.all_images()[0])
        return at_area(first, pixels)

    @property
    def mask_problem(self) -> str:
        """Why a row's mask does not count at the address; empty: it counts."""
        if self.dialect.encode_mask is None:
            return (
                f'the {self.dialect.name} API takes no mask: use api_format="images" with a model that takes one, or'
                f" a local model of a family that does, or leave out input_mask_key"
            )
        if self.provider.mask_problem:
            return f"{self.address} {self.provider.mask_problem}: edit where masks count, or leave out input_mask_key"
        if "mask" in self.settings.extra_body:
            return "extra_body holds a mask for every row, and rows have masks of their own: leave one of them out"
        return ""

    def extras(self, job: Job, refused: frozenset[str]) -> dict[str, JSON]:
        """The top-level fields of a job's request that not every server knows.

        Args:
            job: with one request.
            refused: names of fields that the address does not take, which are left out.

        Returns:
            The fields, without those that the user's `extra_body` replaces.
        """
        request, dialect = job.request, self.dialect_of(job.request)
        extras: dict[str, JSON] = {}
        if request.makes == "image":
            extras |= self.provider.picture_fields.get(dialect.name, {})
            if request.all_images():
                extras |= self.provider.edit_fields
        if dialect.seeds_engines and self.is_own_server and request.seed is None:
            extras["seed"] = job.seed
        if self.settings.stream:
            extras |= dialect.stream_fields
        if dialect.schema_is_optional:
            extras |= self._schema_fields(request)
        return {k: v for k, v in extras.items() if k not in refused and k not in self.settings.extra_body}

    def encode(self, request: Request, pictures: Mapping[str, EncodedPicture], extras: Mapping[str, JSON]) -> Post:
        """The HTTP request; the user's `extra_body` replaces other fields of the same name.

        Args:
            request: as `sized` gives it.
            pictures: path → MIME type and bytes, of every picture and the mask of the request.
            extras: as `Wire.extras` and `Quirks.adapt_extras` give them.
        """
        dialect = self.dialect_of(request)
        own = dialect.sampling_fields(self.settings.sampling)
        if not dialect.schema_is_optional:
            own = merged(self._schema_fields(request), own)
        post = dialect.encode(
            request,
            pictures,
            model=self.settings.model,
            fields=merged({**extras, **own}, self.settings.extra_body),
            stream=self.settings.stream,
        )
        if not isinstance(post, Post):
            raise TypeError(f"dialect {dialect.name}: encode must return a Post, not {post!r:.80}")
        masks = [mask for mask in post.files if mask[0] == "mask"]
        further = [(name, *mask[1:]) for mask in masks for name in self.provider.mask_names if name != "mask"]
        return replace(post, files=(*post.files, *further)) if further else post

    def _schema_fields(self, request: Request) -> dict[str, JSON]:
        wanted = request.makes == "text" and request.schema and self.settings.send_schema
        return self.dialect_of(request).schema_fields(request.schema) if wanted else {}


def wires_of(settings: ApiSettings, profiles: Mapping[str, Provider] = NO_PROFILES) -> tuple[Wire, ...]:
    """The wires of all addresses of a serving, in their order and without repetitions.

    Args:
        settings: of the serving; without an `address` those of the environment count.
        profiles: address → what the server there said of itself, as a provider.

    Raises:
        ConfigError: there is no address, one of them is none, or their wire formats differ.
    """
    assert settings.address is None or isinstance(settings.address, str)
    given = settings.address or os.environ.get(ADDRESS_VARIABLE, "")
    written = [part.strip() for part in given.split(",") if part.strip()]
    if not written:
        parameters = "api_url (of a command: --url or --api_url)"
        raise ConfigError(f"no address: set {ADDRESS_VARIABLE} (e.g. https://host/v1), or give {parameters}")
    wires = {wire.address: wire for wire in (_wire_at(address, settings, profiles) for address in written)}
    if len(formats := {wire.dialect.name for wire in wires.values()}) > 1:
        raise ConfigError(
            f"the {len(wires)} addresses of api_url would be asked in different formats "
            f"({', '.join(sorted(formats))}): say which with api_format"
        )
    return tuple(wires.values())


def _wire_at(written: str, settings: ApiSettings, profiles: Mapping[str, Provider]) -> Wire:
    plain = normalise_address(written)
    provider = settings.provider or profiles.get(plain) or provider_of(urlsplit(plain).hostname or "")
    dialect = settings.dialect or provider.dialect_at(plain, settings.model)
    if isinstance(dialect, str):
        dialect = provider.dialect_named(dialect)
    found = settings.dialect is None and plain in profiles and "text" not in dialect.makes
    return Wire(
        settings,
        normalise_address(written, version=dialect.base_path),
        dialect,
        provider,
        texts=CHAT if found else None,
    )


def count_engines(wires: tuple[Wire, ...]) -> int:
    """The number of engines of one's own behind the addresses; 0: the one address is a provider's."""
    return len(wires) if len(wires) > 1 or wires[0].is_own_server else 0

"""How one address is asked: its format, its provider's own fields, and what cannot be asked there at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dataflow.core.records import JSON, Job, Request
from dataflow.serving.api.address import is_private
from dataflow.serving.api.providers import Provider, provider_of
from dataflow.serving.api.settings import ApiSettings, host_of
from dataflow.serving.dialects import DIALECTS, Dialect, Format
from dataflow.serving.dialects.aspect import is_drawable, nearest_ratio, size_step
from dataflow.serving.dialects.narrow import merged
from dataflow.serving.dialects.reply import EncodedPicture, Post

_KEY_HEADERS: Mapping[Format, str] = {"gemini": "x-goog-api-key"}


@dataclass(frozen=True, slots=True)
class Wire:
    """How one address is asked.

    Args:
        settings: of the serving.
        format: which wire format is spoken.
        provider: at the address.
        is_own_server: whether the address is this machine or its network.
    """

    settings: ApiSettings
    format: Format
    provider: Provider
    is_own_server: bool

    @property
    def dialect(self) -> Dialect:
        """The functions of the format."""
        return DIALECTS[self.format]

    @property
    def key_header(self) -> str:
        """The header that carries the key; empty for the usual one."""
        return _KEY_HEADERS.get(self.format, "")

    def problem(self, request: Request) -> str:
        """Why this request cannot be asked here, empty if it can; nothing is sent then."""
        task = self.settings.task if request.makes == "image" else None
        if request.makes == "image" and self.settings.image_io is None:
            return "pictures need a place: give the serving image_io=ImageIO(save_path=...)"
        if request.makes == "text" and self.format == "images":
            return 'the images API makes no text: use api_format="chat"'
        if task == "text2image" and request.images:
            return "Image_gen_task='text2image' draws from text alone: use 'imageedit' to edit pictures"
        if task == "imageedit" and not request.all_images():
            return "Image_gen_task='imageedit' edits pictures and got none: use 'text2image' to draw"
        return self._size_problem(request)

    def _size_problem(self, request: Request) -> str:
        takes_ratios = self.format == "gemini" or (self.format == "chat" and self.provider.image_config)
        if request.size is None or self.format in ("images", "responses"):
            return ""
        if not takes_ratios:
            return 'a chat has no field for a size: use api_format="images", or the provider\'s own field in extra_body'
        if not is_drawable(*request.size):
            shape = f"{request.size[0]} x {request.size[1]}"
            return f"{self.settings.model} draws no shape near {shape}: the next is {nearest_ratio(*request.size)}"
        return ""

    def extras(self, job: Job, refused: frozenset[str]) -> dict[str, JSON]:
        """Top-level fields that not every server knows, without those that it refused or that the user gives."""
        request = job.request
        extras: dict[str, JSON] = {}
        if self.format == "images":
            extras |= self.provider.images_fields
            if self.is_own_server and request.seed is None:
                # Some draw every picture with one seed unless told another: two candidates would be equal.
                extras["seed"] = job.seed
        elif self.format == "chat":
            if request.makes == "image":
                extras |= self.provider.chat_fields
            if self.settings.stream:
                extras["stream_options"] = {"include_usage": True}
            extras |= self._schema_fields(request)
        return {k: v for k, v in extras.items() if k not in refused and k not in self.settings.extra_body}

    def encode(self, request: Request, pictures: Mapping[str, EncodedPicture], extras: Mapping[str, JSON]) -> Post:
        """The HTTP request; the user's own fields win over all others."""
        own = self.dialect.sampling_fields(self.settings.sampling)
        if self.format == "chat" and request.size is not None:
            own = merged(_image_config(request.size), own)
        if self.format != "chat":
            own = merged(self._schema_fields(request), own)
        return self.dialect.encode(
            request,
            pictures,
            model=self.settings.model,
            fields=merged({**extras, **own}, self.settings.extra_body),
            stream=self.settings.stream,
        )

    def _schema_fields(self, request: Request) -> dict[str, JSON]:
        wanted = request.makes == "text" and request.schema and self.settings.send_schema
        return self.dialect.schema_fields(request.schema) if wanted else {}


def wire_of(settings: ApiSettings) -> Wire:
    """How the address of these settings is asked.

    Raises:
        ConfigError: there is no address.
    """
    host = host_of(settings.read_address())
    return Wire(settings, settings.read_format(), provider_of(host), is_private(host))


def refused_fields(status: int, body: bytes | memoryview, extras: Mapping[str, JSON]) -> frozenset[str]:
    """Which of the fields that not every server knows a refusal names."""
    if status not in (400, 422):
        return frozenset()
    text = bytes(body[:20_000]).decode("utf-8", "replace")
    return frozenset(name for name in extras if re.search(rf"(?<![\w-]){name}(?![\w-])", text))


def _image_config(size: tuple[int, int]) -> dict[str, JSON]:
    wanted: dict[str, JSON] = {"aspect_ratio": nearest_ratio(*size)}
    if step := size_step(*size):
        wanted["image_size"] = step
    return {"image_config": wanted}

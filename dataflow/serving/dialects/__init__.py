"""Wire formats: pure functions that turn a request into a body and a body into a reply, one format per file."""

from collections.abc import Mapping
from typing import Literal, Protocol, get_args

from dataflow.core.records import JSON, Request
from dataflow.serving.dialects import chat, gemini, images, responses
from dataflow.serving.dialects.reply import EncodedPicture, Post, Reply

Format = Literal["chat", "images", "responses", "gemini"]


class Dialect(Protocol):
    """What a module of this folder offers."""

    def encode(
        self,
        request: Request,
        pictures: Mapping[str, EncodedPicture],
        *,
        model: str,
        fields: Mapping[str, JSON],
        stream: bool,
    ) -> Post:
        """The body that asks for this request."""

    def decode(self, body: bytes | memoryview) -> Reply:
        """The reply in a body, whole or streamed."""

    def sampling_fields(self, sampling: Mapping[str, JSON]) -> dict[str, JSON]:
        """Where this format wants `temperature` and `max_tokens`."""

    def schema_fields(self, schema: str) -> dict[str, JSON]:
        """The fields that ask for a text of this JSON schema."""


DIALECTS: Mapping[Format, Dialect] = {"chat": chat, "images": images, "responses": responses, "gemini": gemini}
FORMATS: tuple[Format, ...] = get_args(Format)

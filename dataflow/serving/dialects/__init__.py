"""Wire formats: pure functions that turn a request into a body and a body into a reply, one format per file."""

from collections.abc import Mapping
from typing import Protocol

from dataflow.core.records import JSON, Request
from dataflow.serving.dialects import chat, images
from dataflow.serving.dialects.reply import EncodedPicture, Post, Reply


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

    def decode(self, body: bytes) -> Reply:
        """The reply in a body, whole or streamed."""


DIALECTS: Mapping[str, Dialect] = {"chat": chat, "images": images}

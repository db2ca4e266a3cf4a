"""Wire formats: each file of this folder ends in a `Dialect`, a value that holds pure functions."""

from collections.abc import Mapping
from typing import Literal, get_args

from dataflow.serving.dialects.chat import CHAT
from dataflow.serving.dialects.dialect import Dialect
from dataflow.serving.dialects.gemini import GEMINI
from dataflow.serving.dialects.images import IMAGES
from dataflow.serving.dialects.reply import EncodedPicture, Post, Reply, UrlRef
from dataflow.serving.dialects.responses import RESPONSES

__all__ = ["DIALECTS", "FORMATS", "Dialect", "EncodedPicture", "Format", "Post", "Reply", "UrlRef"]

Format = Literal["chat", "images", "responses", "gemini"]
FORMATS: tuple[Format, ...] = get_args(Format)
DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (CHAT, IMAGES, RESPONSES, GEMINI)}

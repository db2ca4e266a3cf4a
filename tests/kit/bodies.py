"""Finds the prompt and the pictures in a JSON request of any API."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any


def take_pictures(body: dict[str, Any]) -> tuple[str, tuple[bytes, ...]]:
    """The text of the last message, and all pictures in order; each is replaced by its digest in the body."""
    prompt = body.get("prompt", "")
    images: list[bytes] = []
    for content in _contents(body):
        parts = [{"text": content}] if isinstance(content, str) else content
        for part in parts:
            for place, name in _places(part):
                head, _, data = place[name].rpartition(",")
                images.append(base64.b64decode(data))
                place[name] = f"{head}{',' if head else ''}{hashlib.sha256(images[-1]).hexdigest()}"
        prompt = "".join(part.get("text", "") for part in parts)
    return prompt, tuple(images)


def _contents(body: dict[str, Any]) -> Iterator[Any]:
    for message in (*body.get("messages", ()), *body.get("input", ())):
        yield message["content"]
    for content in body.get("contents", ()):
        yield content["parts"]


def _places(part: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    if part.get("type") == "image_url":
        yield part["image_url"], "url"
    elif part.get("type") == "input_image":
        yield part, "image_url"
    elif part.get("type") == "image":
        yield part["source"], "data"
    elif "inlineData" in part:
        yield part["inlineData"], "data"

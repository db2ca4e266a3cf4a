"""Every form in which an API gives a picture back, whole and as the events of a stream.

The recorded forms are those of vendors and gateways; the pictures in them are the test's own.
"""

import base64
from collections.abc import Sequence
from typing import Any

import orjson

CHAT_SHAPES = (
    "images",
    "image",
    "bare",
    "markdown",
    "multi_mod",
    "multi_mod_camel",
    "parts",
)
IMAGES_SHAPES = ("b64_json",)
USAGE = {"prompt_tokens": 10, "completion_tokens": 1290, "total_tokens": 1300}


def data_url(picture: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(picture).decode()}"


def message(shape: str, pictures: Sequence[bytes], text: str) -> dict[str, Any]:
    """The assistant's message that carries these pictures; "bare" and "image" carry one."""
    urls = [data_url(picture) for picture in pictures]
    parts = [{"type": "image_url", "index": k, "image_url": {"url": url}} for k, url in enumerate(urls)]
    inline = [base64.b64encode(picture).decode() for picture in pictures]
    if not pictures:
        return {"content": text}
    match shape:
        case "images":
            return {"content": text, "images": parts}
        case "image":
            return {"content": text, "image": {"url": urls[0]}}
        case "bare":
            return {"content": urls[0]}
        case "markdown":
            return {"content": "\n".join([text, *(f"![image]({url})" for url in urls)])}
        case "multi_mod":
            listed = [{"inline_data": {"mime_type": "image/png", "data": data}} for data in inline]
            return {"content": "", "multi_mod_content": [{"text": text}, *listed]}
        case "multi_mod_camel":
            listed = [{"inlineData": {"mimeType": "image/png", "data": data}} for data in inline]
            return {"content": None, "multi_modal_content": [{"text": text}, *listed]}
        case "parts":
            return {"content": [{"type": "text", "text": text}, *parts]}
    raise ValueError(shape)


def whole(shape: str, pictures: Sequence[bytes], text: str = "Here you are.", finish: str = "stop") -> bytes:
    """The body of an unstreamed reply."""
    if shape in IMAGES_SHAPES:
        data = [{"b64_json": base64.b64encode(p).decode(), "url": None, "revised_prompt": None} for p in pictures]
        return orjson.dumps({"created": 1, "data": data, "usage": {"output_tokens": 1290}})
    choice = {"index": 0, "message": {"role": "assistant", **message(shape, pictures, text)}, "finish_reason": finish}
    return orjson.dumps({"id": "chatcmpl-1", "choices": [choice], "usage": USAGE})


def events(
    shape: str, pictures: Sequence[bytes], text: str = "Here you are.", finish: str = "stop", *, piece: int = 40_000
) -> list[dict[str, Any]]:
    """The events of a streamed reply; a content string is cut every `piece` characters, wherever that falls."""
    if shape in IMAGES_SHAPES:
        encoded = [base64.b64encode(p).decode() for p in pictures]
        partial = [{"type": "image_generation.partial_image", "b64_json": "AAAA", "partial_image_index": 0}]
        done = [
            {"type": "image_generation.completed", "b64_json": e, "usage": {"output_tokens": 1290}} for e in encoded
        ]
        return partial + done
    said = message(shape, pictures, text)
    content = said.pop("content", None)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if isinstance(content, list):
        deltas += [{"content": [part]} for part in content]
    elif content:
        deltas += [{"content": content[at : at + piece]} for at in range(0, len(content), piece)]
    if said:
        deltas.append(said)
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    return [*chunks, end, {"choices": [], "usage": USAGE}]


def streamed(*args: Any, done: bool = True, **kwargs: Any) -> bytes:
    """The body of a streamed reply."""
    lines = [b": keep-alive"] + [b"data: " + orjson.dumps(event) for event in events(*args, **kwargs)]
    return b"\n\n".join([*lines, b"data: [DONE]"] if done else lines) + b"\n\n"

"""Every form in which an API gives a picture back, whole and as the events of a stream.

The recorded forms are those of vendors and gateways; the pictures in them are the test's own.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dataflow.serving.dialects import Format

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
RESPONSES_SHAPES = ("responses",)
GEMINI_SHAPES = ("gemini", "gemini_snake")
# Which `api_format` speaks each shape.
FORMATS: dict[str, Format] = {
    **dict.fromkeys(CHAT_SHAPES, "chat"),
    **dict.fromkeys(IMAGES_SHAPES, "images"),
    **dict.fromkeys(RESPONSES_SHAPES, "responses"),
    **dict.fromkeys(GEMINI_SHAPES, "gemini"),
}
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


def response(pictures: Sequence[bytes], text: str, status: str = "completed") -> dict[str, Any]:
    """The Responses API's response, whole."""
    encoded = [base64.b64encode(picture).decode() for picture in pictures]
    calls = [
        {"type": "image_generation_call", "id": f"ig_{k}", "status": "generating", "result": each}
        for k, each in enumerate(encoded)
    ]
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    thoughts = {"type": "reasoning", "id": "rs_0", "summary": []}
    usage = {"input_tokens": 10, "output_tokens": 1290, "total_tokens": 1300}
    output = [thoughts, *calls, said]
    return {"id": "resp_1", "object": "response", "status": status, "error": None, "output": output, "usage": usage}


def _response_events(pictures: Sequence[bytes], text: str) -> list[dict[str, Any]]:
    """A stream of the Responses API, with a preview of each picture."""
    done = response(pictures, text)
    begun = {**done, "status": "in_progress", "output": [], "usage": None}
    told: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
    for k, item in enumerate(done["output"]):
        told.append({"type": "response.output_item.added", "output_index": k, "item": item | {"result": None}})
        if item["type"] == "image_generation_call":
            preview = {"item_id": item["id"], "partial_image_b64": "AAAA", "partial_image_index": 0}
            told.append({"type": "response.image_generation_call.partial_image", **preview})
            told.append({"type": "response.image_generation_call.completed", "item_id": item["id"]})
        told.append({"type": "response.output_item.done", "output_index": k, "item": item})
    return [*told, {"type": "response.completed", "response": done}]


def saying(body: bytes, fields: Mapping[str, str]) -> bytes:
    """A reply whose objects, of a stream each of them, say something more."""
    if not fields:
        return body
    if body.startswith(b"{"):
        return orjson.dumps({**orjson.loads(body), **fields})
    lines = [line.partition(b"data: ") for line in body.split(b"\n")]
    return b"\n".join(
        begin + mark + (orjson.dumps({**orjson.loads(data), **fields}) if data.startswith(b"{") else data)
        for begin, mark, data in lines
    )


def model_list(path: str, names: Sequence[str]) -> bytes:
    """The body of a list of models: Google's below /v1beta, else OpenAI's."""
    if path.startswith("/v1beta"):
        return orjson.dumps({"models": [{"name": f"models/{name}"} for name in names]})
    data = [{"id": name, "object": "model", "owned_by": "somebody"} for name in names]
    return orjson.dumps({"object": "list", "data": data})


_SNAKE = {
    "finishReason": "finish_reason",
    "inlineData": "inline_data",
    "mimeType": "mime_type",
    "usageMetadata": "usage_metadata",
}


def _gemini_events(shape: str, pictures: Sequence[bytes], text: str, finish: str) -> list[dict[str, Any]]:
    """A stream of Google's format: a thought and a sketch, the words, the pictures, the end."""
    sketch = {"thought": True, "inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    inline = [{"mimeType": "image/png", "data": base64.b64encode(picture).decode()} for picture in pictures]
    said = [[{"text": "They want a picture.", "thought": True}, sketch], [{"text": text}]]
    said += [[{"inlineData": each}] for each in inline]
    told: list[dict[str, Any]] = [{"candidates": [{"index": 0, "content": {"parts": parts}}]} for parts in said]
    told[-1]["candidates"][0]["finishReason"] = finish.upper()
    told[-1]["usageMetadata"] = {"promptTokenCount": 10, "candidatesTokenCount": 1290, "totalTokenCount": 1300}
    return _renamed(told) if shape == "gemini_snake" else told


def _renamed(value: Any) -> Any:
    if isinstance(value, list):
        return [_renamed(each) for each in value]
    if isinstance(value, dict):
        return {_SNAKE.get(name, name): _renamed(each) for name, each in value.items()}
    return value


def whole(
    shape: str,
    pictures: Sequence[bytes],
    text: str = "Here you are.",
    finish: str = "stop",
    *,
    usage: dict[str, Any] = USAGE,
) -> bytes:
    """The body of an unstreamed reply; `usage` is that of a chat."""
    if shape in IMAGES_SHAPES:
        data = [{"b64_json": base64.b64encode(p).decode(), "url": None, "revised_prompt": None} for p in pictures]
        return orjson.dumps({"created": 1, "data": data, "usage": {"output_tokens": 1290}})
    if shape in RESPONSES_SHAPES:
        return orjson.dumps(response(pictures, text))
    if shape in GEMINI_SHAPES:
        told = _gemini_events("gemini", pictures, text, finish)
        parts = [part for event in told for part in event["candidates"][0]["content"]["parts"]]
        last = told[-1]["candidates"][0] | {"content": {"role": "model", "parts": parts}}
        all_of_it = {"candidates": [last], "usageMetadata": told[-1]["usageMetadata"]}
        return orjson.dumps(_renamed(all_of_it) if shape == "gemini_snake" else all_of_it)
    choice = {"index": 0, "message": {"role": "assistant", **message(shape, pictures, text)}, "finish_reason": finish}
    return orjson.dumps({"id": "chatcmpl-1", "choices": [choice], "usage": usage})


def events(
    shape: str,
    pictures: Sequence[bytes],
    text: str = "Here you are.",
    finish: str = "stop",
    *,
    piece: int = 40_000,
    usage: dict[str, Any] = USAGE,
) -> list[dict[str, Any]]:
    """The events of a streamed reply; a content string is cut every `piece` characters, wherever that falls."""
    if shape in IMAGES_SHAPES:
        encoded = [base64.b64encode(p).decode() for p in pictures]
        partial = [{"type": "image_generation.partial_image", "b64_json": "AAAA", "partial_image_index": 0}]
        done = [
            {"type": "image_generation.completed", "b64_json": e, "usage": {"output_tokens": 1290}} for e in encoded
        ]
        return partial + done
    if shape in RESPONSES_SHAPES:
        return _response_events(pictures, text)
    if shape in GEMINI_SHAPES:
        return _gemini_events(shape, pictures, text, finish)
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
    return [*chunks, end, {"choices": [], "usage": usage}]


def streamed(shape: str, *args: Any, done: bool = True, **kwargs: Any) -> bytes:
    """The body of a streamed reply; only a chat ends with `[DONE]`, and only OpenAI names its events."""
    lines = [b": keep-alive"]
    for event in events(shape, *args, **kwargs):
        name = f"event: {event['type']}\n".encode() if "type" in event else b""
        lines.append(name + b"data: " + orjson.dumps(event))
    if done and shape in CHAT_SHAPES:
        lines.append(b"data: [DONE]")
    return b"\n\n".join(lines) + b"\n\n"


def end_of(shape: str, body: bytes) -> int:
    """How many bytes of a streamed reply tell that it is complete; what follows may be cut off without loss."""
    told = {"chat": b'"finish_reason":"stop"}]}', "images": b'"output_tokens":1290}}'}.get(FORMATS[shape])
    return body.rindex(told) + len(told) if told else body.rindex(b"\n\n")

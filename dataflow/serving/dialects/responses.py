"""The dialect of OpenAI's Responses API, whose model draws with a tool called `image_generation`.

Of a stream only the completed response counts; partial pictures before it are previews. The API takes no seed, so the
seed of a request is not sent, and only makes the request's id differ from others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest

import orjson
import pybase64

from dataflow.core.records import JSON, Request
from dataflow.io.masks import transparent_mask
from dataflow.serving.dialects.chat import response_format
from dataflow.serving.dialects.dialect import Dialect, takes_any_size
from dataflow.serving.dialects.envelope import first_error
from dataflow.serving.dialects.narrow import as_dict, as_dicts, as_text, merged
from dataflow.serving.dialects.reply import (
    EncodedPicture,
    Post,
    Reply,
    first_pictures,
    is_task,
    part_text,
    read_usage,
    split_markdown,
)
from dataflow.serving.dialects.stream import Body, read_body

_FINAL = ("response.completed", "response.incomplete", "response.failed")
# The API's word for the finish reason that other APIs call "length".
_REASONS = {"max_output_tokens": "length"}


def encode(
    request: Request,
    pictures: Mapping[str, EncodedPicture],
    *,
    model: str,
    fields: Mapping[str, JSON],
    stream: bool,
) -> Post:
    """As `Encode`; every picture is a part of its own.

    Args:
        request: its prompt, earlier turns and the paths of their pictures.
        pictures: path → MIME type and bytes, of every picture and the mask of the request.
        model: the name of the model that uses the tool, and not of the one that draws.
        fields: further top-level fields, which go before ours of the same name; an object is merged into ours.
        stream: whether to ask for a streamed reply.
    """
    messages: list[JSON] = []
    for turn in request.turns:
        messages += _messages(turn.role, turn.text, turn.images, pictures)
    messages += _messages("user", request.prompt, request.images, pictures, request.labels)
    body: dict[str, JSON] = {"model": model, "input": messages}
    if request.makes == "image":
        tool: dict[str, JSON] = {"type": "image_generation"}
        if request.size is not None:
            tool["size"] = f"{request.size[0]}x{request.size[1]}"
        if request.mask is not None:
            tool["input_image_mask"] = {"image_url": _data_url(*pictures[request.mask])}
        body["tools"] = [tool]
        body["tool_choice"] = {"type": "image_generation"}
        if request.mask is not None and "tools" in fields:
            fields = {**fields, "tools": _masked(as_dicts(fields["tools"]), tool)}
    if stream:
        body["stream"] = True
    return Post("/responses", orjson.dumps(merged(body, fields)))


def _masked(tools: list[dict[str, JSON]], ours: dict[str, JSON]) -> list[JSON]:
    """The user's own tools with the request's mask in the one that draws.

    The user's tools replace ours, so the mask would be lost without a word, and the edit would still look good.
    """
    drawing = [tool for tool in tools if tool.get("type") == ours["type"]] or [ours]
    further = [tool for tool in tools if tool not in drawing]
    return [*({**tool, "input_image_mask": ours["input_image_mask"]} for tool in drawing), *further]


def _data_url(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{pybase64.b64encode_as_string(data)}"


def sampling_fields(sampling: Mapping[str, JSON]) -> dict[str, JSON]:
    """The fields of this format for `temperature` and `max_tokens`."""
    return {{"max_tokens": "max_output_tokens"}.get(name, name): value for name, value in sampling.items()}


def schema_fields(schema: str) -> dict[str, JSON]:
    """The field that asks for a text of a JSON schema, which is given as JSON text."""
    wanted = as_dict(as_dict(response_format(schema)).get("json_schema"))
    return {"text": {"format": {"type": "json_schema", **wanted}}}


def _messages(
    role: str, text: str, paths: Sequence[str], pictures: Mapping[str, EncodedPicture], labels: Sequence[str] = ()
) -> list[JSON]:
    """One turn as messages; a picture that the model drew itself can only come back as the user's input."""
    parts: list[JSON] = []
    for path, label in zip_longest(paths, labels):
        if label:
            parts.append({"type": "input_text", "text": label})
        parts.append({"type": "input_image", "image_url": _data_url(*pictures[path])})
    if role == "assistant" or not parts:
        spoken: list[JSON] = [{"role": role, "content": text}] if text or not parts else []
        return [*spoken, {"role": "user", "content": parts}] if parts else spoken
    words: list[JSON] = [{"type": "input_text", "text": text}] if text else []
    return [{"role": role, "content": [*words, *parts]}]


def decode(body: bytes | memoryview) -> Reply:
    """The reply in a body, whole or streamed; as `Dialect.decode`."""
    read = read_body(body)
    if read.trouble:
        return Reply(trouble=read.trouble)
    response, items = _response(read)
    return replace(_decode(read, response, items), model=as_text(response.get("model")) or read.word("model"))


def _decode(read: Body, response: Mapping[str, JSON], items: Sequence[dict[str, JSON]]) -> Reply:
    usage = read_usage(response.get("usage")) or read.usage()
    if (error := read.error() or first_error([response])) is not None:
        return Reply(error=error, usage=usage)
    if response.get("status") in ("queued", "in_progress") and not read.streamed:
        return Reply(trouble="task", usage=usage)
    if read.streamed and not response and not read.done:
        return Reply(trouble="truncated", usage=usage)
    if not items:
        return _without_items(response, usage)
    return _read_items(response, items, usage)


def _response(read: Body) -> tuple[dict[str, JSON], list[dict[str, JSON]]]:
    """The response, empty where a stream broke off before the event that holds it; and its finished items."""
    if not read.streamed:
        return read.objects[0], as_dicts(read.objects[0].get("output"))
    final = [as_dict(event.get("response")) for event in read.objects if event.get("type") in _FINAL]
    response = final[-1] if final else {}
    done = (event for event in read.objects if event.get("type") == "response.output_item.done")
    # In the last event of some servers the output is missing, since earlier events held it.
    return response, as_dicts(response.get("output")) or [as_dict(event.get("item")) for event in done]


def _without_items(response: Mapping[str, JSON], usage: Mapping[str, float]) -> Reply:
    if is_task(response):
        return Reply(trouble="task", usage=usage)
    finish = _finish(response)
    return Reply(finish=finish, usage=usage, trouble="empty" if finish in ("", "completed") else "")


def _finish(response: Mapping[str, JSON]) -> str:
    reason = as_text(as_dict(response.get("incomplete_details")).get("reason"))
    return _REASONS.get(reason, reason) or as_text(response.get("status"))


def _read_items(response: Mapping[str, JSON], items: Sequence[dict[str, JSON]], usage: Mapping[str, float]) -> Reply:
    # The status of a call stays "generating" in some finished responses, so only its result counts.
    calls = [item for item in items if item.get("type") == "image_generation_call"]
    words, written = split_markdown("".join(_texts(items)))
    drawn = [source for call in calls if (source := as_text(call.get("result")))]
    images, damaged = first_pictures([drawn, written])
    return Reply(
        images=images,
        text=words,
        usage=usage,
        finish=_finish(response),
        error=None if images else first_error(calls),
        trouble="bad_picture" if damaged and not images else "",
    )


def _texts(items: Iterable[Mapping[str, JSON]]) -> Iterable[str]:
    for item in items:
        if item.get("type") == "message":
            for part in as_dicts(item.get("content")):
                yield part_text(part) or as_text(part.get("refusal"))


# Without `cost_bounds`, since `max_output_tokens` bounds the model that is asked, and not the one that draws.
RESPONSES = Dialect(
    "responses",
    encode,
    decode,
    size_problem=takes_any_size,
    encode_mask=transparent_mask,
    sampling_fields=sampling_fields,
    schema_fields=schema_fields,
    batch_files="openai",
)

"""The dialect of OpenAI's chat completions, with the ways in which gateways put pictures into a message.

Pictures are searched in `images`, `image`, `multi_mod_content`, content parts, a bare data URL and markdown, in this
order. The first field with a valid picture counts alone, since some gateways send the same picture in two fields. Words
without a picture may be a JSON document that holds one. Google's own form, which some relays send in place of a chat or
within one, is read as well.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest

import orjson
import pybase64

from dataflow.core.records import JSON, Request
from dataflow.serving.dialects.chat_stream import fold, in_parts
from dataflow.serving.dialects.dialect import Dialect
from dataflow.serving.dialects.envelope import first_error
from dataflow.serving.dialects.lenient import loads_inner
from dataflow.serving.dialects.narrow import as_dict, as_dicts, as_list, as_text, merged
from dataflow.serving.dialects.reply import (
    EncodedPicture,
    Post,
    Reply,
    first_pictures,
    is_task,
    part_text,
    picture_source,
    split_markdown,
)
from dataflow.serving.dialects.stream import Body, read_body

_MULTI = ("multi_mod_content", "multi_modal_content")
_DOCUMENT = re.compile(r"(?:```\w{0,20}\s{1,9})?(?=[{\[])")
_USAGE = ("usage", "usageMetadata", "usage_metadata")


def encode(
    request: Request,
    pictures: Mapping[str, EncodedPicture],
    *,
    model: str,
    fields: Mapping[str, JSON],
    stream: bool,
) -> Post:
    """As `Encode`; every picture is a content part of its own.

    Args:
        request: its prompt, earlier turns and the paths of their pictures.
        pictures: path → MIME type and bytes, of every picture of the request.
        model: the model's name at the provider.
        fields: further top-level fields, which go before ours of the same name.
        stream: whether to ask for a streamed reply.
    """
    messages: list[JSON] = [_message(turn.role, turn.text, turn.images, pictures) for turn in request.turns]
    messages.append(_message("user", request.prompt, request.images, pictures, request.labels))
    body: dict[str, JSON] = {"model": model, "messages": messages}
    if request.seed is not None:
        body["seed"] = request.seed
    if stream:
        body["stream"] = True
    return Post("/chat/completions", orjson.dumps(merged(body, fields)))


def schema_fields(schema: str) -> dict[str, JSON]:
    """The field that asks for a text of a JSON schema, which is given as JSON text."""
    return {"response_format": response_format(schema)}


def response_format(schema: str) -> JSON:
    """The value of `response_format` that asks for a text of a JSON schema.

    With `strict` OpenAI holds its model to the schema, but takes only schemas that close every object and require every
    property; other servers ignore `strict`. Source: https://platform.openai.com/docs/guides/structured-outputs

    Args:
        schema: as JSON text.
    """
    wanted = orjson.loads(schema)
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": _is_closed(wanted), "schema": wanted}}


def _is_closed(schema: JSON) -> bool:
    """Whether every object in a JSON schema forbids further properties and requires all of its own."""
    if isinstance(schema, list):
        return all(_is_closed(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict) or schema.get("type") == "object":
        own = set(as_dict(properties))
        if schema.get("additionalProperties") is not False or own != set(as_list(schema.get("required"))):
            return False
    return all(_is_closed(item) for item in schema.values())


def _message(
    role: str, text: str, paths: Sequence[str], pictures: Mapping[str, EncodedPicture], labels: Sequence[str] = ()
) -> JSON:
    if not paths:
        return {"role": role, "content": text}
    parts: list[JSON] = [{"type": "text", "text": text}] if text else []
    for path, label in zip_longest(paths, labels):
        if label:
            parts.append({"type": "text", "text": label})
        mime, data = pictures[path]
        url = f"data:{mime};base64,{pybase64.b64encode_as_string(data)}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return {"role": role, "content": parts}


def decode(body: bytes | memoryview) -> Reply:
    """The reply in a body, whole or streamed; as `Dialect.decode`."""
    read = read_body(body)
    if read.trouble:
        return Reply(trouble=read.trouble)
    return reply_of(read)


def reply_of(read: Body) -> Reply:
    """The reply in a body that is JSON or a stream of it."""
    model = read.word("model", "modelVersion", "model_version")
    return replace(_decode(read), model=model, provider=read.word("provider"))


def _decode(read: Body) -> Reply:
    usage = read.usage(*_USAGE)
    if error := read.error():
        return Reply(error=error, usage=usage)
    objects = [event if "choices" in event else _of_google(event) for event in read.objects]
    choices = fold(objects) if read.streamed else as_dicts(objects[0].get("choices"))
    finished = choices and all(choice.get("finish_reason") for choice in choices)
    if read.streamed and not read.done and not finished:
        return Reply(trouble="truncated", usage=usage)
    if not choices:
        return _without_choices(read.objects, usage)
    return _read_choices(choices, usage)


def _of_google(event: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """An object with Google's candidates, with choices beside them that say the same; any other object as it is."""
    choices: list[JSON] = [
        {
            "index": candidate.get("index"),
            "message": {"content": candidate.get("content")},
            "finish_reason": candidate.get("finishReason") or candidate.get("finish_reason"),
        }
        for candidate in as_dicts(event.get("candidates"))
    ]
    return {**event, "choices": choices} if choices else event


def _without_choices(events: Iterable[Mapping[str, JSON]], usage: Mapping[str, float]) -> Reply:
    for event in events:
        feedback = as_dict(event.get("promptFeedback") or event.get("prompt_feedback"))
        if reason := feedback.get("blockReason") or feedback.get("block_reason"):
            return Reply(native_finish=str(reason), usage=usage)
        if is_task(event):
            return Reply(trouble="task", usage=usage)
    return Reply(trouble="empty", usage=usage)


def _read_choices(choices: Sequence[dict[str, JSON]], usage: Mapping[str, float]) -> Reply:
    messages = [_message_of(choice) for choice in choices]
    written = [_read_text(message) for message in messages]
    parts = [
        [part for message in messages for part in as_list(message.get("images"))],
        [message.get("image") for message in messages],
        [part for message in messages for name in _MULTI for part in as_list(message.get(name))],
        [part for message in messages for part in as_list(message.get("content"))],
    ]
    sources = [[source for part in field if (source := picture_source(part))] for field in parts]
    images, damaged = first_pictures([*sources, [source for _, found in written for source in found]])
    return Reply(
        images=images,
        text=written[0][0] or as_text(messages[0].get("refusal")),
        usage=usage,
        finish=str(choices[0].get("finish_reason") or ""),
        native_finish=_native_finish(choices[0]),
        error=None if images else first_error(choices),
        trouble="bad_picture" if damaged and not images else "",
    )


def _message_of(choice: Mapping[str, JSON]) -> dict[str, JSON]:
    message = as_dict(choice.get("message"))
    return {**message, "content": in_parts(message.get("content"))}


def _read_text(message: Mapping[str, JSON]) -> tuple[str, list[str]]:
    """The words of a message, and the sources of the pictures that are written into them."""
    text = as_text(message.get("content"))
    if text[:64].lstrip()[:5].lower() == "data:":
        return "", [text.strip()]
    if not text:
        text = "".join(part_text(part) for name in ("content", *_MULTI) for part in as_list(message.get(name)))
    words, sources = split_markdown(text)
    if words[:5].lower() == "data:":
        return "", [words]
    return (words, sources) if sources else _read_document(words)


def _read_document(words: str) -> tuple[str, list[str]]:
    """The sources of pictures in words that are a JSON document, such as `{"image": "data:..."}`.

    A URL in the document counts as no picture, since a text answer may speak of one.

    Returns:
        No words and the sources; or the words and no source.
    """
    opening = _DOCUMENT.match(words)
    if opening is None or not ("data:image" in words or "b64_json" in words):
        return words, []
    try:
        read = loads_inner(words[opening.end() :].rstrip("`\n "))
    except ValueError:
        return words, []
    lists = (read, *(as_dict(read).get(name) for name in ("images", "data")))
    items = [item for listed in lists for item in as_list(listed)] or [read]
    held = [(item, picture_source(item)) for item in items]
    sources = [source for item, source in held if source[:5].lower() == "data:" or "b64_json" in as_dict(item)]
    return ("", sources) if sources else (words, [])


def _native_finish(choice: Mapping[str, JSON]) -> str:
    message = as_dict(choice.get("message"))
    owners = (choice, message)
    places = (*owners, *(as_dict(owner.get("provider_specific_fields")) for owner in owners))
    return next((str(reason) for place in places if (reason := place.get("native_finish_reason"))), "")


def _takes_no_size(width: int, height: int) -> str:
    return 'a chat has no field for a size: use api_format="images", or the provider\'s own field in extra_body'


CHAT = Dialect(
    "chat",
    encode,
    decode,
    size_problem=_takes_no_size,
    schema_fields=schema_fields,
    schema_is_optional=True,
    stream_fields={"stream_options": {"include_usage": True}},
    # Gateways also take the names that other APIs have for the bound.
    cost_bounds=("generationConfig.maxOutputTokens", "max_completion_tokens", "max_output_tokens", "max_tokens"),
    batch_files="openai",
)

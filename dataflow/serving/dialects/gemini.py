"""The dialect of Google's own API: `generateContent`, whole or as a stream of server-sent events.

The model's thoughts are left out, its sketches included. Of a request for a text the system prompt is a field of its
own; some models that draw refuse that field, so in a request for a picture the system prompt is the first words.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from urllib.parse import quote

import orjson
import pybase64

from dataflow.core.records import JSON, Request, Turn
from dataflow.serving.dialects.aspect import nearest_ratio, ratio_problem, size_step
from dataflow.serving.dialects.chat import reply_of
from dataflow.serving.dialects.dialect import Dialect
from dataflow.serving.dialects.narrow import as_dict, as_dicts, as_text, merged
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

_ROLES = {"assistant": "model"}


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
        request: its prompt, earlier turns and the paths of their pictures. Its size becomes the nearest aspect ratio
            and size class.
        pictures: path → MIME type and bytes, of every picture of the request.
        model: the model's name, with or without `models/`.
        fields: further top-level fields, which go before ours of the same name; an object is merged into ours.
        stream: whether to ask for a streamed reply.
    """
    system = [turn.text for turn in request.turns if turn.role == "system" and request.makes == "text"]
    turns = [turn for turn in request.turns if turn.role != "system" or not system]
    turns = [*turns, Turn("user", request.prompt, request.images)]
    body: dict[str, JSON] = {"contents": _contents(turns, pictures, request.labels)}
    if system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
    if config := _config(request):
        body["generationConfig"] = config
    name = quote(model.removeprefix("models/"), safe="/")
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return Post(f"/models/{name}:{method}", orjson.dumps(merged(body, fields)))


def sampling_fields(sampling: Mapping[str, JSON]) -> dict[str, JSON]:
    """The fields of this format for `temperature` and `max_tokens`."""
    names = {"max_tokens": "maxOutputTokens"}
    return {"generationConfig": {names.get(name, name): value for name, value in sampling.items()}} if sampling else {}


def schema_fields(schema: str) -> dict[str, JSON]:
    """The fields that ask for a text of a JSON schema, which is given as JSON text."""
    wanted: JSON = orjson.loads(schema)
    return {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": wanted}}


def _config(request: Request) -> dict[str, JSON]:
    config: dict[str, JSON] = {}
    if request.makes == "image":
        config["responseModalities"] = ["TEXT", "IMAGE"]
    if request.size is not None:
        wanted: dict[str, JSON] = {"aspectRatio": nearest_ratio(*request.size)}
        if step := size_step(*request.size):
            wanted["imageSize"] = step
        config["imageConfig"] = wanted
    if request.seed is not None:
        config["seed"] = request.seed
    return config


def _contents(turns: Sequence[Turn], pictures: Mapping[str, EncodedPicture], labels: Sequence[str]) -> list[JSON]:
    """The turns as contents; several turns of one role in a row become one content.

    Args:
        turns: in their order.
        pictures: path → MIME type and bytes.
        labels: of the last turn's pictures, each of which goes before its picture; fewer labels: the rest has none.
    """
    contents: list[tuple[str, list[JSON]]] = []
    for turn in turns:
        role = _ROLES.get(turn.role, "user")
        if not contents or contents[-1][0] != role:
            contents.append((role, []))
        parts = contents[-1][1]
        if turn.text:
            parts.append({"text": turn.text})
        for path, label in zip_longest(turn.images, labels if turn is turns[-1] else ()):
            if label:
                parts.append({"text": label})
            mime, data = pictures[path]
            parts.append({"inlineData": {"mimeType": mime, "data": pybase64.b64encode_as_string(data)}})
    return [{"role": role, "parts": parts} for role, parts in contents if parts]


def decode(body: bytes | memoryview) -> Reply:
    """As `Dialect.decode`; the body is an object, a stream, or the JSON array that a stream without `alt=sse` is."""
    read = read_body(body, arrays=True)
    if read.trouble:
        return Reply(trouble=read.trouble)
    if any("choices" in event for event in read.objects) and not any("candidates" in event for event in read.objects):
        return reply_of(read)  # some relays answer in OpenAI's form
    return replace(_decode(read), model=read.word("modelVersion", "model_version"))


def _decode(read: Body) -> Reply:
    usage = read.usage("usageMetadata", "usage_metadata")
    if error := read.error():
        return Reply(error=error, usage=usage)
    candidates = _fold(read.objects)
    if not candidates and (reason := _block_reason(read)):
        return Reply(native_finish=reason, usage=usage)
    if read.streamed and not read.done and not (candidates and all(map(_finish, candidates))):
        return Reply(trouble="truncated", usage=usage)
    if not candidates:
        return Reply(trouble="task" if any(map(is_task, read.objects)) else "empty", usage=usage)
    return _read_candidates(candidates, usage)


def _last(read: Body, *names: str) -> JSON:
    """The value of a field in the last object that has it.

    Args:
        read: the body.
        names: of the field: as the API writes it, and as some relays do.
    """
    found = (value for event in reversed(read.objects) for name in names if (value := event.get(name)))
    return next(found, None)


def _block_reason(read: Body) -> str:
    feedback = as_dict(_last(read, "promptFeedback", "prompt_feedback"))
    return as_text(feedback.get("blockReason") or feedback.get("block_reason"))


def _finish(candidate: Mapping[str, JSON]) -> str:
    return as_text(candidate.get("finishReason") or candidate.get("finish_reason"))


def _fold(events: Iterable[Mapping[str, JSON]]) -> list[dict[str, JSON]]:
    """The candidates that all events spell out together, in order of their index, each with its `parts` joined."""
    candidates: dict[int, dict[str, JSON]] = {}
    parts: dict[int, list[JSON]] = {}
    for event in events:
        for chunk in as_dicts(event.get("candidates")):
            number = chunk.get("index")
            index = number if isinstance(number, int) else 0
            parts.setdefault(index, []).extend(as_dicts(as_dict(chunk.get("content")).get("parts")))
            candidates[index] = candidates.get(index, {}) | {k: v for k, v in chunk.items() if v is not None}
    return [candidates[index] | {"parts": parts[index]} for index in sorted(candidates)]


def _read_candidates(candidates: Sequence[Mapping[str, JSON]], usage: Mapping[str, float]) -> Reply:
    parts = [part for candidate in candidates for part in as_dicts(candidate.get("parts"))]
    words, written = split_markdown("".join(map(part_text, parts)))
    images, damaged = first_pictures([[source for part in parts if (source := picture_source(part))], written])
    first = candidates[0]
    return Reply(
        images=images,
        text=words or as_text(first.get("finishMessage") or first.get("finish_message")),
        usage=usage,
        finish=_finish(first),
        trouble="bad_picture" if damaged and not images else "",
    )


GEMINI = Dialect(
    "gemini",
    encode,
    decode,
    base_path="/v1beta",
    key_header="x-goog-api-key",
    size_problem=ratio_problem,
    sampling_fields=sampling_fields,
    schema_fields=schema_fields,
    cost_bounds=("generationConfig.maxOutputTokens",),
    batch_files="gemini",
    list_path="/models?pageSize=1000",
)

"""The dialect of OpenAI's images API: `/images/generations`, and `/images/edits` for a request with input pictures.

The API has no conversation, so earlier turns become text before the prompt. Of a stream only completed pictures count;
partial ones are previews. A stream that breaks off between two completed pictures gives the first ones alone, since
nothing in it says how many there will be.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeGuard

import orjson
import pybase64

from dataflow.core.records import JSON, Request
from dataflow.io.masks import transparent_mask
from dataflow.serving.dialects.dialect import Dialect, takes_any_size
from dataflow.serving.dialects.envelope import first_error
from dataflow.serving.dialects.narrow import as_list, as_text
from dataflow.serving.dialects.reply import (
    EncodedPicture,
    Post,
    Reply,
    first_pictures,
    is_task,
    picture_source,
)
from dataflow.serving.dialects.stream import Body, read_body

_LISTS = ("data", "images")
_PICTURE_FIELDS = ("b64_json", "url")
# Endings of the types of events with a completed picture. Seedream and MiniMax have the second one; their last event
# holds no picture.
_FINISHED = (".completed", ".partial_succeeded")
_MASK = re.compile(r"data:(image/([a-z]+));base64,([A-Za-z0-9+/=]+)")


def encode(
    request: Request,
    pictures: Mapping[str, EncodedPicture],
    *,
    model: str,
    fields: Mapping[str, JSON],
    stream: bool,
) -> Post:
    """As `Encode`; the body is JSON without input pictures, and multipart with them.

    Several pictures all have the field `image[]`. A mask becomes a file of its own, and so does a `mask` among the
    fields that is a data URL: servers take a mask in no other form.

    Args:
        request: its prompt, earlier turns and the paths of their pictures.
        pictures: path → MIME type and bytes, of every picture and the mask of the request.
        model: the model's name at the provider.
        fields: further top-level fields, which go before ours of the same name.
        stream: whether to ask for a streamed reply.
    """
    prompt = "\n\n".join([*(turn.text for turn in request.turns if turn.text), request.prompt])
    body: dict[str, JSON] = {"model": model, "prompt": prompt}
    if request.size is not None:
        body["size"] = f"{request.size[0]}x{request.size[1]}"
    if request.seed is not None:
        body["seed"] = request.seed
    if stream:
        body["stream"] = True
    body |= fields
    paths = request.all_images()
    if request.mask is not None:  # a mask belongs to the prompt's first picture, which so must come first
        paths = (*request.images, *paths[: len(paths) - len(request.images)])
    if not paths:
        return Post("/images/generations", orjson.dumps(body))
    name = "image[]" if len(paths) > 1 else "image"
    files = [_file(name, k, *pictures[path]) for k, path in enumerate(paths)]
    if mask := _MASK.fullmatch(as_text(body.get("mask"))):
        del body["mask"]
        files.append(("mask", f"mask.{mask[2]}", pybase64.b64decode(mask[3]), mask[1]))
    if request.mask is not None:
        mime, data = pictures[request.mask]
        files.append(("mask", "mask.png", data, mime))
    return Post("/images/edits", fields={name: _as_field(value) for name, value in body.items()}, files=tuple(files))


def _as_field(value: JSON) -> JSON:
    """A value as the field of a multipart body: an object becomes JSON text."""
    return orjson.dumps(value).decode() if isinstance(value, dict) else value


def _file(name: str, number: int, mime: str, data: bytes) -> tuple[str, str, bytes, str]:
    return name, f"image{number}.{mime.rpartition('/')[2]}", data, mime


def decode(body: bytes | memoryview) -> Reply:
    """The reply in a body, whole or streamed; as `Dialect.decode`."""
    read = read_body(body)
    if read.trouble:
        return Reply(trouble=read.trouble)
    return replace(_decode(read), model=read.word("model"))


def _decode(read: Body) -> Reply:
    usage = read.usage()
    if error := read.error():
        return Reply(error=error, usage=usage)
    finished = [event for event in read.objects if as_text(event.get("type")).endswith(_FINISHED)]
    whole = [event for event in read.objects if "partial" not in as_text(event.get("type"))]
    items = finished + [item for event in whole for item in _items(event)]
    if read.streamed and not read.done and (read.broken or not items):
        return Reply(trouble="truncated", usage=usage)
    if not items:
        task = any(is_task(event) for event in read.objects)
        return Reply(trouble="task" if task else "empty", usage=usage)
    if all(is_task(item) for item in items):
        return Reply(trouble="task", usage=usage)
    return _read_items(items, usage)


def _items(event: Mapping[str, JSON]) -> list[dict[str, JSON]]:
    """The items of an object's list of pictures; a lone picture is a list of one, and a string is base64."""
    held = next((value for name in _LISTS if (value := event.get(name))), None)
    if isinstance(held, dict):
        inner = next((value for name in _LISTS if isinstance(value := held.get(name), list)), None)
        held = [held] if inner is None else inner
    return [{"b64_json": item} if isinstance(item, str) else item for item in as_list(held) if _is_item(item)]


def _is_item(value: JSON) -> TypeGuard[str | dict[str, JSON]]:
    return isinstance(value, str | dict)


def _read_items(items: list[dict[str, JSON]], usage: Mapping[str, float]) -> Reply:
    sources = [[source for item in items if (source := as_text(item.get(name)))] for name in _PICTURE_FIELDS]
    images, damaged = first_pictures([*sources, [source for item in items if (source := picture_source(item))]])
    return Reply(
        images=images,
        text=next((text for item in items if (text := as_text(item.get("revised_prompt")))), ""),
        usage=usage,
        error=None if images else first_error(items),
        trouble="" if images else "bad_picture" if damaged else "empty",
    )


IMAGES = Dialect(
    "images",
    encode,
    decode,
    makes=("image",),
    size_problem=takes_any_size,
    encode_mask=transparent_mask,
    sampling_fields=lambda _: {},  # an images API takes neither a temperature nor a number of tokens
    seeds_engines=True,
    batch_files="openai",
)

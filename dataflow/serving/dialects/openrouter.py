"""The dialect of OpenRouter's chat: OpenAI's, with a field for the size of the picture.

Source: https://openrouter.ai/docs/features/multimodal/image-generation
"""

from collections.abc import Mapping
from dataclasses import replace

from dataflow.core.records import JSON, Request
from dataflow.serving.dialects.aspect import nearest_ratio, ratio_problem, size_step
from dataflow.serving.dialects.chat import CHAT
from dataflow.serving.dialects.narrow import merged
from dataflow.serving.dialects.reply import EncodedPicture, Post


def encode(
    request: Request,
    pictures: Mapping[str, EncodedPicture],
    *,
    model: str,
    fields: Mapping[str, JSON],
    stream: bool,
) -> Post:
    """As `chat.encode`; the request's size becomes the nearest aspect ratio and size class, in `image_config`."""
    shape: dict[str, JSON] = {}
    if request.size is not None:
        wanted: dict[str, JSON] = {"aspect_ratio": nearest_ratio(*request.size)}
        if step := size_step(*request.size):
            wanted["image_size"] = step
        shape["image_config"] = wanted
    return CHAT.encode(request, pictures, model=model, fields=merged(shape, fields), stream=stream)


OPENROUTER_CHAT = replace(CHAT, encode=encode, size_problem=ratio_problem)

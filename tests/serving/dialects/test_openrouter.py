"""OpenRouter's chat: OpenAI's, with a field for the size of the picture."""

from collections.abc import Mapping

import orjson
import pytest

from dataflow.core.records import JSON, Request
from dataflow.serving.dialects.chat import CHAT
from dataflow.serving.dialects.openrouter import OPENROUTER_CHAT


def body_of(request: Request, fields: Mapping[str, JSON] | None = None) -> dict[str, JSON]:
    post = OPENROUTER_CHAT.encode(request, {}, model="m", fields=fields or {}, stream=False)
    assert post.path == "/chat/completions"
    body: dict[str, JSON] = orjson.loads(post.content)
    return body


@pytest.mark.parametrize(
    ("size", "config"),
    [
        ((1024, 1024), {"aspect_ratio": "1:1"}),
        ((2048, 1152), {"aspect_ratio": "16:9", "image_size": "2K"}),
        ((4096, 4096), {"aspect_ratio": "1:1", "image_size": "4K"}),
    ],
)
def test_a_size_is_the_nearest_ratio_and_size_class(size: tuple[int, int], config: dict[str, str]) -> None:
    assert body_of(Request("x", size=size))["image_config"] == config


def test_the_users_own_shape_goes_before_that_of_the_size() -> None:
    own: JSON = {"aspect_ratio": "4:3"}
    assert body_of(Request("x", size=(2048, 2048)), {"image_config": own})["image_config"] == {
        "aspect_ratio": "4:3",
        "image_size": "2K",
    }


def test_without_a_size_the_body_is_that_of_a_chat() -> None:
    request = Request("x", makes="text", seed=7)
    assert body_of(request) == orjson.loads(CHAT.encode(request, {}, model="m", fields={}, stream=False).content)


def test_a_size_far_from_every_ratio_is_refused() -> None:
    assert "draws no shape near 3000 x 1000" in OPENROUTER_CHAT.size_problem(3000, 1000)
    assert OPENROUTER_CHAT.size_problem(1920, 1080) == ""

"""Asks a server on loopback, as users run their own, for edits of a photograph."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.records import Answer, Request
from dataflow.io import ImageIO
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.kit.asking import ask_once
from tests.kit.flow import draw
from tests.kit.loopback import LoopbackServer

QWEN = "Qwen/Qwen-Image-Edit-2511"


@pytest.fixture
def photo(tmp_path: Path) -> str:
    return str(draw(tmp_path / "photo.png", size=(400, 300)))


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., APIVLMServing_openai]:
    """Make the serving that asks a server for a model."""

    def make(server: LoopbackServer, **options: Any) -> APIVLMServing_openai:
        given = {"api_url": server.url, "model_name": QWEN, "image_io": ImageIO(str(tmp_path / "made")), **options}
        return APIVLMServing_openai(**given)

    return make


def edit(serving: APIVLMServing_openai, *photos: str, **options: Any) -> Answer:
    """Its answer to one edit, which must be a picture."""
    answer = ask_once(serving, Request("make it red", photos, **options))
    assert answer.error is None, answer.error
    return answer

"""The guide's blocks for online models name one that was shut down since: what becomes of whoever pastes them."""

import logging
import os
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from dataflow.errors import ConfigError, FatalAnswer
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.utils.storage import FileStorage
from tests.guide.blocks import block, changed, gpu_pipelines, result_rows, run, server
from tests.kit.loopback import Act, LoopbackServer

__all__ = ["gpu_pipelines", "server"]

PRINTED, LIVING = "gemini-2.5-flash-image-preview", "gemini-3.1-flash-image"
LINE = f'change one line, to model_name="{LIVING}"'
ROWS = "../example_data/image_gen/image_edit/prompts.jsonl"
REFUSALS = {
    "not found": Act(404, {"error": {"message": f"models/{PRINTED} is not found", "status": "NOT_FOUND"}}),
    "no channel": Act(503, {"error": {"code": "model_not_found", "message": f"No available channel for {PRINTED}"}}),
}
Change = tuple[str, str]


def edit_all(serving: object) -> str:
    """Edit the guide's rows with a serving; the directory of the results."""
    cache = "./cache_local/pasted"
    editor = PromptedImageEditGenerator(image_edit_serving=serving)  # type: ignore[arg-type]
    storage = FileStorage(ROWS, cache_path=cache)
    editor.run(storage.step(), output_image_key="edited_images")
    return cache


def whole_class(url: str, *changes: Change) -> str:
    code = changed(block("python", "class ImageGenerationPipeline", "APIVLMServing_openai"), *changes)
    run(code)["ImageGenerationPipeline"](api_key="k", api_url=url).forward()
    return "./cache_local/image_editing"


def fragment(url: str, *changes: Change) -> str:
    code = changed(block("python", "os.environ['DF_API_KEY'] = args.api_key"), *changes)
    me = SimpleNamespace(storage=SimpleNamespace(cache_path="./cache_local/fragment"))
    run(code, self=me, args=SimpleNamespace(api_key="k"), api_url=url, ImageIO=ImageIO)
    return edit_all(me.serving)


def several_pictures(url: str, *changes: Change) -> str:
    code = changed(block("python", "class MultiImages2ImagePipeline"), *changes)
    return edit_all(run(code)["MultiImages2ImagePipeline"](api_url=url).vlm_serving)


EVERY_BLOCK = pytest.mark.parametrize("paste", [whole_class, fragment, several_pictures])
Paste = Callable[..., str]


@pytest.fixture(autouse=True)
def environment(gpu_pipelines: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ)  # a block writes the key into it
    monkeypatch.setenv("DF_API_KEY", "k")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What is said, but for the age of prices, which goes by the day it is."""
    said = [each for each in caplog.records if each.levelno == logging.WARNING]
    return [each.getMessage() for each in said if each.name != "dataflow.money.budget"]


@EVERY_BLOCK
def test_as_printed_it_runs_with_one_warning_where_the_model_is_still_served(
    paste: Paste, server: LoopbackServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.models = [PRINTED]
    rows = result_rows(paste(server.url))
    assert all(row["edited_images"] for row in rows)
    assert server.requests == len(rows) > 10
    assert {asked.body["model"] for asked in server.asked} == {PRINTED}
    (warning,) = warnings(caplog)
    assert f"{PRINTED} was shut down on 2026-01-15" in warning
    assert f'model_name="{LIVING}"' in warning


@EVERY_BLOCK
@pytest.mark.parametrize("refusal", REFUSALS)
def test_as_printed_it_costs_one_request_where_the_model_is_gone_and_names_the_line(
    paste: Paste, refusal: str, server: LoopbackServer
) -> None:
    server.act_for, server.latency = lambda asked: REFUSALS[refusal], 0.01
    with pytest.raises(FatalAnswer) as stopped:
        paste(server.url)
    assert LINE in str(stopped.value)
    assert server.requests == 1


@EVERY_BLOCK
def test_as_printed_it_costs_nothing_where_the_model_is_not_listed(paste: Paste, server: LoopbackServer) -> None:
    server.models = [LIVING]
    with pytest.raises(ConfigError) as stopped:
        paste(server.url)
    assert LINE in str(stopped.value)
    assert server.requests == 0


@EVERY_BLOCK
def test_with_the_line_changed_it_runs_without_a_word(
    paste: Paste, server: LoopbackServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.models = [LIVING]
    rows = result_rows(paste(server.url, (f'model_name="{PRINTED}"', f'model_name="{LIVING}"')))
    assert all(row["edited_images"] for row in rows)
    assert server.requests == len(rows)
    assert warnings(caplog) == []

"""A row's mask at an API: it arrives pixel for pixel, or the run stops before its first request."""

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dataflow.errors import ConfigError
from dataflow.flow.summary import Summary
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.api.providers import OPENROUTER
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage
from tests.kit import engines, shapes
from tests.kit.batch_edits import QUICK
from tests.kit.drawing import draw_png, mark_of
from tests.kit.flow import write_rows
from tests.kit.loopback_batches import BatchServer
from tests.kit.masks import HALVES, write_pair
from tests.kit.wiretap import Wiretap

pytestmark = pytest.mark.usefixtures("api_key")
MADE = draw_png(mark_of("made"))


@pytest.fixture
def api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DF_API_KEY", "sk-1")


def edit(url: str, folder: Path, rows: list[dict[str, Any]], model_name: str = "loopback", **options: Any) -> Summary:
    image_io = ImageIO(save_path=str(folder / "made"))
    serving = APIVLMServing_openai(url, model_name=model_name, image_io=image_io, **options)
    serving.batch_intervals = QUICK
    storage = FileStorage(str(write_rows(folder / "rows.jsonl", rows)), cache_path=str(folder / "cache"))
    return PromptedImageEditGenerator(serving).run(storage.step(), input_mask_key="mask")


def levels(data: bytes) -> bytes:
    """255 where a mask of OpenAI's lets its picture change."""
    with Image.open(io.BytesIO(data)) as mask:
        assert (mask.format, mask.mode, mask.size) == ("PNG", "RGBA", HALVES.size)
        return bytes(255 - level for level in mask.getchannel("A").tobytes())


def of_url(url: str) -> bytes:
    head, _, data = url.partition(",")
    assert head == "data:image/png;base64"
    return base64.b64decode(data, validate=True)


def test_the_images_api_gets_a_file_that_is_transparent_where_the_picture_may_change(tmp_path: Path) -> None:
    row = write_pair(tmp_path)
    with Wiretap(shapes.whole("b64_json", [MADE])) as tap:
        edit(tap.url, tmp_path, [row, {**row, "conversations": "edit all", "mask": None}], api_format="images")
        masked, whole = sorted(tap.sent, key=lambda post: len(post.parts), reverse=True)
    files = [part for part in masked.parts if part[1]]
    assert [part[:3] for part in files] == [("image", "image0.png", "image/png"), ("mask", "mask.png", "image/png")]
    assert files[0][3] == Path(row["images"][0]).read_bytes()
    assert levels(files[1][3]) == HALVES.tobytes()
    assert [part[0] for part in whole.parts if part[1]] == ["image"]


def test_the_responses_api_gets_it_with_its_tool(tmp_path: Path) -> None:
    with Wiretap(shapes.whole("responses", [MADE])) as tap:
        edit(tap.url, tmp_path, [write_pair(tmp_path)], api_format="responses")
        (post,) = tap.sent
    (tool,) = post.json["tools"]
    assert tool["type"] == "image_generation"
    assert levels(of_url(tool["input_image_mask"]["image_url"])) == HALVES.tobytes()


def test_a_batch_file_gets_it_as_a_data_url(tmp_path: Path) -> None:
    with BatchServer() as server:
        edit(server.url, tmp_path, [write_pair(tmp_path)], api_format="images", batch=True)
        (held,) = server.batches.values()
    body = held.lines[0]["body"]
    assert levels(of_url(body["mask"]["image_url"])) == HALVES.tobytes()
    assert len(body["images"]) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"api_format": "chat"}, "the chat API takes no mask: use api_format="),
        ({"api_format": "gemini"}, "the gemini API takes no mask"),
        ({"provider": OPENROUTER}, "the chat API takes no mask"),
        ({"api_format": "images", "extra_body": {"mask": "data:image/png;base64,AA=="}}, "leave one of them out"),
    ],
)
def test_where_it_would_not_arrive_the_run_stops_before_its_first_request(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    row = write_pair(tmp_path)
    with Wiretap(b"{}") as tap:
        with pytest.raises(ConfigError, match=said):
            edit(tap.url, tmp_path, [{**row, "mask": None}, row], **options)
        assert tap.sent == []


@pytest.mark.parametrize("kind", [engines.VLLM_OMNI, engines.SGLANG, engines.DYNAMO])
def test_an_engine_that_would_pass_over_it_is_named_before_its_first_request(
    tmp_path: Path, kind: engines.Kind
) -> None:
    row = write_pair(tmp_path)
    with engines.EngineServer(kind, "Qwen/Qwen-Image-Edit-2511") as server:
        with pytest.raises(ConfigError, match="edit where masks count, or leave out input_mask_key"):
            edit(server.url, tmp_path, [{**row, "mask": None}, row], "Qwen/Qwen-Image-Edit-2511")
        assert server.requests == 0


def test_a_mask_that_is_black_all_over_fails_its_row_unsent(tmp_path: Path) -> None:
    row, black = write_pair(tmp_path), write_pair(tmp_path, "b")
    Image.new("L", HALVES.size, 1).save(black["mask"])
    with Wiretap(shapes.whole("b64_json", [MADE])) as tap:
        summary = edit(tap.url, tmp_path, [row, black], api_format="images")
        assert (len(tap.sent), summary.failed) == (1, 1)
    assert "is black all over" in summary.why

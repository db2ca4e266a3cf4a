"""A wire format and a provider from outside the package: what they say is what is sent, and the key goes one way."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import orjson
import pybase64
import pytest

from dataflow.core.records import JSON, Request
from dataflow.errors import ConfigError
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.api.providers import Provider
from dataflow.serving.api_image_gen_serving import APIImageGenServing
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.dialects import Dialect, EncodedPicture, Post, Reply
from dataflow.serving.dialects.narrow import as_text
from dataflow.serving.dialects.stream import read_body
from dataflow.utils.storage import FileStorage
from tests.kit.asking import ask_once
from tests.kit.drawing import draw_png, mark_of
from tests.kit.flow import write_rows
from tests.kit.loopback import LoopbackServer
from tests.kit.wiretap import Sent, Wiretap

KEY = "sk-canary-9a1d-77c0"
PICTURE = draw_png(mark_of("made"))


def encode(
    request: Request,
    pictures: Mapping[str, EncodedPicture],
    *,
    model: str,
    fields: Mapping[str, JSON],
    stream: bool,
) -> Post:
    inputs: list[JSON] = [pybase64.b64encode_as_string(pictures[path][1]) for path in request.all_images()]
    body: dict[str, JSON] = {"engine": model, "words": request.prompt, "inputs": inputs, "live": stream}
    if request.size is not None:
        body["pixels"] = list(request.size)
    return Post("/paint", orjson.dumps({**body, **fields}))


def decode(body: bytes | memoryview) -> Reply:
    read = read_body(body)
    if read.trouble:
        return Reply(trouble=read.trouble)
    painted = as_text(read.objects[0].get("painted"))
    return Reply(images=(pybase64.b64decode(painted),)) if painted else Reply(trouble="empty", usage=read.usage())


def only_squares(width: int, height: int) -> str:
    return "" if width == height else f"the easel holds squares, not {width} x {height}"


PAINT = Dialect(
    "paint",
    encode,
    decode,
    makes=("image",),
    base_path="/v7",
    key_header="x-paint-key",
    headers={"x-paint-version": "2026-11-01"},
    size_problem=only_squares,
    stream_fields={"live_options": {"every": 1}},
    seeds_engines=True,
)


def sent_for(folder: Path, request: Request, **options: object) -> Sent:
    """The one request that asking for this leads to."""
    with Wiretap(orjson.dumps({"painted": pybase64.b64encode_as_string(PICTURE)})) as tap:
        given = {"image_io": ImageIO(str(folder)), "model_name": "brush", "dialect": PAINT, "api_key": KEY, **options}
        answer = ask_once(APIImageGenServing(tap.url, **given), request)  # type: ignore[arg-type]
    assert answer.error is None
    assert Path(answer.pictures[0].path).read_bytes() == PICTURE
    (only,) = tap.sent
    return only


def test_a_request_goes_out_as_the_dialect_says(tmp_path: Path) -> None:
    sent = sent_for(tmp_path, Request("a cat", size=(64, 64)), extra_body={"varnish": True}, send_request_stream=True)
    assert sent.line == "POST /v7/paint HTTP/1.1"
    assert sent.headers["x-paint-version"] == "2026-11-01"
    body = sent.json
    assert isinstance(body.pop("seed"), int)
    assert body == {
        "engine": "brush",
        "words": "a cat",
        "inputs": [],
        "live": True,
        "pixels": [64, 64],
        "varnish": True,
        "live_options": {"every": 1},
    }


def test_the_key_goes_into_the_named_header_and_nowhere_else(tmp_path: Path) -> None:
    sent = sent_for(tmp_path, Request("a cat"))
    assert [name for name, value in sent.headers.items() if KEY in value] == ["x-paint-key"]
    assert "authorization" not in sent.headers
    assert KEY not in sent.line
    assert KEY.encode() not in sent.body


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (Request("x", size=(64, 32)), "the easel holds squares, not 64 x 32"),
        (Request("x", makes="text"), "the paint API makes no text"),
    ],
)
def test_what_it_does_not_take_is_refused_in_its_own_words(tmp_path: Path, request_: Request, says: str) -> None:
    with Wiretap(b"{}") as tap:
        serving = APIVLMServing_openai(tap.url, model_name="brush", image_io=ImageIO(str(tmp_path)), dialect=PAINT)
        answer = ask_once(serving, request_)
    assert says in str(answer.error)
    assert tap.sent == []


def test_a_whole_step_runs_over_it_and_another_format_asks_nothing_again(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(draw_png(mark_of("in")))
    rows = [{"images": str(tmp_path / "in.png"), "conversations": f"edit {n}"} for n in range(3)]
    storage = FileStorage(write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "cache")
    images = ImageIO(str(tmp_path / "made"))
    with Wiretap(orjson.dumps({"painted": pybase64.b64encode_as_string(PICTURE)})) as tap:
        painted = APIVLMServing_openai(tap.url, model_name="brush", image_io=images, dialect=PAINT)
        first = PromptedImageEditGenerator(painted).run(storage.step(), output_image_key="out")
    assert (first.failed, first.pictures, len(tap.sent)) == (0, 3, 3)
    with LoopbackServer() as server:
        chatting = APIVLMServing_openai(server.url, model_name="brush", image_io=images, api_format="chat")
        again = PromptedImageEditGenerator(chatting).run(
            FileStorage(tmp_path / "rows.jsonl", tmp_path / "cache", file_name_prefix="again").step(),
            output_image_key="out",
        )
    assert (again.failed, again.reused, server.requests) == (0, 3, 0)


def test_batch_files_are_refused_where_it_has_none(tmp_path: Path) -> None:
    serving = APIVLMServing_openai(
        "http://localhost:1", model_name="brush", image_io=ImageIO(str(tmp_path)), dialect=PAINT, batch=True
    )
    with pytest.raises(ConfigError, match="the paint API has no batch files"):
        serving.prepare()


def test_a_provider_of_ones_own_takes_the_place_of_what_the_host_says(tmp_path: Path) -> None:
    house = Provider(picture_fields={"paint": {"frame": "oak"}, "images": {"frame": "none"}})
    assert sent_for(tmp_path, Request("a cat"), provider=house).json["frame"] == "oak"
    chatty = replace(PAINT, name="chat")
    assert "modalities" not in sent_for(tmp_path, Request("a cat"), provider=house, dialect=chatty).json
    assert "modalities" in sent_for(tmp_path, Request("a cat"), dialect=chatty).json


def test_a_format_by_name_and_by_value_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match="'chat' and dialect='paint': give one"):
        APIVLMServing_openai("http://localhost", api_format="chat", dialect=PAINT)


def test_values_of_ones_own_that_are_none_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dialect paint: makes="):
        replace(PAINT, makes=("picture",))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"provider='house' is a text: give Provider\(\.\.\.\)"):
        APIVLMServing_openai("http://localhost", provider="house")  # type: ignore[arg-type]
    nothing = replace(PAINT, decode=lambda body: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="dialect paint: decode must return a Reply, not None"):
        sent_for(tmp_path, Request("a cat"), dialect=nothing)
    unsent = replace(PAINT, encode=lambda *_, **__: b"{}")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="dialect paint: encode must return a Post, not"):
        sent_for(tmp_path, Request("a cat"), dialect=unsent)

"""The bytes of each kind of request, as they arrive."""

import base64
from dataclasses import replace

import pytest

from dataflow.core.records import Job, Request, Turn
from dataflow.io import ImageIO
from dataflow.serving.api.providers import DEFAULT, OPENAI, OPENROUTER
from dataflow.serving.api.settings import ApiSettings
from dataflow.serving.api.wire import Wire, wires_of
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.dialects.chat import CHAT
from tests.kit import shapes
from tests.kit.asking import ID, ask_once
from tests.kit.drawing import draw, draw_png, mark_of
from tests.kit.wiretap import Wiretap

PICTURES = {"red.png": draw_png(mark_of("red")), "blue.jpg": draw("jpeg", mark_of("blue"))}
KEY = "sk-canary-51c7"


@pytest.fixture
def paths(tmp_path):
    for name, data in PICTURES.items():
        (tmp_path / name).write_bytes(data)
    return tuple(str(tmp_path / name) for name in PICTURES)


@pytest.fixture
def sent(tmp_path, monkeypatch):
    monkeypatch.setenv("DF_API_KEY", KEY)

    def send(shape, request, **options):
        """The one request that asking for this leads to."""
        with Wiretap(shapes.whole(shape, [PICTURES["red.png"]])) as tap:
            image_io = ImageIO(save_path=tmp_path / "made")
            options = {"model_name": "nano", "api_format": shapes.FORMATS[shape], "image_io": image_io, **options}
            answer = ask_once(APIVLMServing_openai(tap.url, **options), request)
        assert answer.error is None
        (only,) = tap.sent
        return only

    return send


def data_of(url):
    head, _, data = url.partition(",")
    return head, base64.b64decode(data, validate=True)


def test_a_chat_carries_every_picture_as_a_part_of_its_own(sent, paths):
    extra = {"image_config": {"aspect_ratio": "16:9"}, "provider": {"order": ["a"]}}
    post = sent("images", Request("swap", paths), extra_body=extra, temperature=0.5, send_request_stream=True)
    assert post.line == "POST /v1/chat/completions HTTP/1.1"
    assert (post.headers["authorization"], post.headers["content-type"]) == (f"Bearer {KEY}", "application/json")
    body = post.json
    text, *images = body.pop("messages")[0]["content"]
    assert text == {"type": "text", "text": "swap"}
    assert [data_of(part["image_url"]["url"]) for part in images] == [
        ("data:image/png;base64", PICTURES["red.png"]),
        ("data:image/jpeg;base64", PICTURES["blue.jpg"]),
    ]
    assert body == {
        "model": "nano",
        "modalities": ["image", "text"],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        **extra,
    }


@pytest.mark.parametrize(("number", "name"), [(1, "image"), (2, "image[]")])
def test_an_edit_is_multipart_with_every_file_as_it_is_on_disk(sent, paths, number, name):
    mask = draw_png(mark_of("mask"))
    extra = {"quality": "low", "n": 2, "num_inference_steps": 28, "mask": shapes.data_url(mask)}
    request = Request("换背景 ✨", paths[:number], size=(64, 32), seed=7)
    post = sent("b64_json", request, extra_body=extra)
    assert post.line == "POST /v1/images/edits HTTP/1.1"
    fields = [(field, content.decode()) for field, file, _, content in post.parts if not file]
    assert dict(fields) == {
        "model": "nano",
        "prompt": "换背景 ✨",
        "size": "64x32",
        "seed": "7",
        "response_format": "b64_json",
        "quality": "low",
        "n": "2",
        "num_inference_steps": "28",
    }
    files = [part for part in post.parts if part[1]]
    inputs = [(name, "image0.png", "image/png", PICTURES["red.png"])]
    inputs += [(name, "image1.jpeg", "image/jpeg", PICTURES["blue.jpg"])]
    assert files == [*inputs[:number], ("mask", "mask.png", "image/png", mask)]


def test_a_generation_is_json(sent):
    post = sent("b64_json", Request("a cat", size=(64, 32), seed=7), send_request_stream=True)
    assert post.line == "POST /v1/images/generations HTTP/1.1"
    assert post.json == {
        "model": "nano",
        "prompt": "a cat",
        "size": "64x32",
        "seed": 7,
        "response_format": "b64_json",
        "stream": True,
    }


def test_googles_format_carries_the_key_in_its_own_header_and_nowhere_else(sent, paths):
    request = Request("swap", paths, size=(2048, 1152))
    post = sent("gemini", request, temperature=0.5, max_tokens=9, extra_body={"safetySettings": []})
    assert post.line == "POST /v1beta/models/nano:generateContent HTTP/1.1"
    assert post.headers["x-goog-api-key"] == KEY
    assert "authorization" not in post.headers
    assert KEY not in post.line
    assert KEY.encode() not in post.body
    body = post.json
    text, *images = body.pop("contents")[0]["parts"]
    assert text == {"text": "swap"}
    assert [(part["inlineData"]["mimeType"], base64.b64decode(part["inlineData"]["data"])) for part in images] == [
        ("image/png", PICTURES["red.png"]),
        ("image/jpeg", PICTURES["blue.jpg"]),
    ]
    assert body == {
        "generationConfig": {
            "responseModalities": ["TEXT", "IMAGE"],
            "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
            "temperature": 0.5,
            "maxOutputTokens": 9,
        },
        "safetySettings": [],
    }


def test_googles_stream_is_asked_for_in_the_address(sent):
    post = sent("gemini", Request("x"), send_request_stream=True)
    assert post.line == "POST /v1beta/models/nano:streamGenerateContent?alt=sse HTTP/1.1"


def test_the_responses_api_is_told_to_use_its_tool(sent, paths):
    turns = (Turn("system", "Be bold."),)
    request = Request("swap", paths, turns=turns, size=(1536, 1024))
    post = sent("responses", request, max_tokens=9, extra_body={"store": False})
    assert post.line == "POST /v1/responses HTTP/1.1"
    assert post.headers["authorization"] == f"Bearer {KEY}"
    body = post.json
    system, user = body.pop("input")
    assert system == {"role": "system", "content": "Be bold."}
    assert user["content"][0] == {"type": "input_text", "text": "swap"}
    assert [data_of(part["image_url"])[1] for part in user["content"][1:]] == list(PICTURES.values())
    assert body == {
        "model": "nano",
        "tools": [{"type": "image_generation", "size": "1536x1024"}],
        "tool_choice": {"type": "image_generation"},
        "max_output_tokens": 9,
        "store": False,
    }


@pytest.mark.parametrize(
    ("shape", "where"),
    [("responses", ("text", "format", "schema")), ("gemini", ("generationConfig", "responseJsonSchema"))],
)
def test_a_schema_is_sent_where_each_format_wants_it(sent, shape, where):
    request = Request("Write.", makes="text", schema='{"type": "object"}')
    for told in (True, False):
        body = sent(shape, request, send_json_schema=told).json
        for name in where:
            body = body.get(name, {})
        assert body == ({"type": "object"} if told else {})


def wire(format_, provider, *, own=False, **options):
    address = "http://localhost/v1" if own else "https://api.example.com/v1"
    settings = ApiSettings(address, "nano", ImageIO(save_path="."), **options)
    return Wire(settings, address, provider.dialect_named(format_), provider)


def job(**options):
    return Job(ID, Request("x", **options))


def test_only_servers_of_ones_own_are_given_a_seed_they_were_not_asked_for():
    assert wire("images", DEFAULT, own=True).extras(job(), frozenset())["seed"] == int(ID[:8], 16) >> 1
    assert wire("images", DEFAULT, own=True).extras(job(seed=7), frozenset()) == {"response_format": "b64_json"}
    assert wire("images", DEFAULT).extras(job(), frozenset()) == {"response_format": "b64_json"}
    assert wire("images", OPENAI).extras(job(), frozenset()) == {}
    assert wire("images", DEFAULT, own=True).extras(job(), frozenset({"seed", "response_format"})) == {}


def test_a_router_is_told_the_shape_in_image_config():
    post = wire("chat", OPENROUTER, extra_body={"image_config": {"aspect_ratio": "4:3"}}).encode(
        Request("x", size=(2048, 2048)), {}, {}
    )
    assert b'"image_config":{"aspect_ratio":"4:3","image_size":"2K"}' in post.content


@pytest.mark.parametrize(
    ("given", "request_", "says"),
    [
        (wire("chat", DEFAULT), Request("x", size=(64, 64)), 'api_format="images"'),
        (wire("chat", OPENROUTER), Request("x", size=(3000, 1000)), "3000 x 1000: the next is 21:9"),
        (wire("gemini", DEFAULT), Request("x", size=(1000, 3000)), "draws no shape near"),
        (wire("images", DEFAULT), Request("x", makes="text"), "makes no text"),
        (wire("chat", DEFAULT, task="imageedit"), Request("x"), "got none"),
        (wire("chat", DEFAULT, task="text2image"), Request("x", ("/a.png",)), "'imageedit'"),
    ],
)
def test_what_cannot_be_asked_says_why(given, request_, says):
    assert says in given.problem(request_)


@pytest.mark.parametrize(
    "given",
    [
        wire("images", DEFAULT),
        wire("responses", DEFAULT),
        wire("gemini", DEFAULT),
        wire("chat", OPENROUTER),
    ],
)
def test_a_shape_that_can_be_asked_has_no_problem(given):
    assert given.problem(Request("x", size=(1024, 768))) == ""


def test_a_task_is_no_matter_for_texts():
    assert wire("chat", DEFAULT, task="imageedit").problem(Request("x", makes="text")) == ""


def test_nothing_is_sent_for_what_cannot_be_asked(tmp_path):
    with Wiretap(b"{}") as tap:
        serving = APIVLMServing_openai(
            tap.url, model_name="nano", api_format="gemini", image_io=ImageIO(save_path=tmp_path)
        )
        answer = ask_once(serving, Request("x", size=(100, 1000)))
    assert (answer.error.kind, tap.sent) == ("fatal", [])


@pytest.mark.parametrize(
    ("address", "model", "expected"),
    [
        ("https://generativelanguage.googleapis.com", "nano", ("gemini", "/v1beta")),
        ("https://generativelanguage.googleapis.com/v1beta/", "nano", ("gemini", "/v1beta")),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "nano", ("chat", "/v1beta/openai")),
        ("https://openrouter.ai/api/v1", "openai/gpt-image-1", ("chat", "/api/v1")),
        ("https://api.openai.com", "gpt-image-2", ("images", "/v1")),
        ("https://api.openai.com/v1", "gpt-4o", ("chat", "/v1")),
        ("http://gateway:3000", "openai/gpt-image-1.5", ("images", "/v1")),
        ("http://gateway:3000/v1", "gemini-2.5-flash-image", ("chat", "/v1")),
    ],
)
def test_the_address_and_the_model_choose_the_format(address, model, expected):
    (wire,) = wires_of(ApiSettings(address, model, None))
    path = wire.address.removeprefix(address.partition("//")[0] + "//").partition("/")[2]
    assert (wire.dialect.name, f"/{path}") == expected


@pytest.mark.parametrize(
    ("address", "path"),
    [("http://gateway:3000/v1", "/v1beta"), ("http://gateway/x/v1", "/x/v1"), ("http://gw", "/v1beta")],
)
def test_a_gateway_is_asked_in_googles_format_at_its_own_version(address, path):
    (wire,) = wires_of(ApiSettings(address, "nano", None, dialect="gemini"))
    assert wire.address.endswith(path)


def test_the_key_is_in_exactly_one_header(monkeypatch):
    monkeypatch.setenv("DF_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    mine = replace(CHAT, name="mine", key_header="x-api-key", headers={"x-version": "2026-01-01"})
    given = Wire(ApiSettings("https://api.example.com", "m", None), "https://api.example.com/v1", mine, DEFAULT)
    assert given.headers() == {"x-version": "2026-01-01", "x-api-key": KEY}
    assert wire("chat", DEFAULT).headers() == {"Authorization": f"Bearer {KEY}"}
    assert wire("chat", OPENAI).headers() == {"Authorization": f"Bearer {KEY}", "OpenAI-Organization": "org"}


def test_without_a_key_its_own_header_is_left_out(monkeypatch):
    monkeypatch.delenv("DF_API_KEY", raising=False)
    assert wire("gemini", DEFAULT, own=True).headers() == {}
    assert wire("chat", DEFAULT, own=True).headers() == {"Authorization": "Bearer none"}


@pytest.mark.parametrize("given", [["http://a:1", "http://b/v1/"], "http://a:1, http://b/v1", None])
def test_addresses_come_in_a_list_with_commas_or_from_the_environment(monkeypatch, given):
    monkeypatch.setenv("DF_BASE_URL", "http://a:1,http://b")
    settings = ApiSettings(given, "flux", None)
    assert [wire.address for wire in wires_of(settings)] == ["http://a:1/v1", "http://b/v1"]


def test_an_address_given_twice_counts_once():
    assert len(wires_of(ApiSettings(["http://a", "http://a/v1/"], "flux", None))) == 1

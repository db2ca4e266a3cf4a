"""`APIImageGenServing` by the arguments of the newer guide, and where its key goes: into a header."""

import logging

import pytest

from dataflow.core.records import Request
from dataflow.errors import ConfigError
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageGenerator
from dataflow.serving.api_image_gen_serving import APIImageGenServing
from dataflow.utils.storage import FileStorage
from tests.kit import shapes
from tests.kit.asking import ask_each_once, ask_once
from tests.kit.drawing import draw_png, mark_of, read_mark
from tests.kit.loopback import Act, LoopbackServer
from tests.kit.wiretap import Wiretap

KEY = "sk-canary-77e1-0b9d"


@pytest.fixture(autouse=True)
def _no_key_of_the_environment(monkeypatch):
    monkeypatch.delenv("DF_API_KEY", raising=False)


@pytest.fixture
def make(tmp_path):
    def serving(url, **options):
        return APIImageGenServing(
            api_url=url, **{"image_io": ImageIO(save_path=tmp_path / "made"), "model_name": "nano", **options}
        )

    return serving


@pytest.mark.parametrize(
    ("api_format", "path"),
    [
        ("openai", "/v1/images/generations"),
        ("images", "/v1/images/generations"),
        ("gemini", "/v1beta/models/nano:generateContent"),
        ("responses", "/v1/responses"),
        ("chat", "/v1/chat/completions"),
        (None, "/v1/chat/completions"),
    ],
)
def test_every_format_draws(make, api_format, path):
    with LoopbackServer() as server:
        serving = make(server.url, Image_gen_task="text2image", batch_size=4, api_format=api_format, api_key=KEY)
        answer = ask_once(serving, Request("a cat"))
    assert server.asked[0].path == path
    assert read_mark(answer.pictures[0].path) == mark_of("a cat")


def test_an_edit_carries_its_picture(make, tmp_path):
    red = draw_png(mark_of("red"))
    (tmp_path / "red.png").write_bytes(red)
    with LoopbackServer() as server:
        serving = make(server.url, Image_gen_task="imageedit", api_format="gemini")
        edited, refused = ask_each_once(serving, [Request("swap", (str(tmp_path / "red.png"),)), Request("x")])
    assert read_mark(edited.pictures[0].path) == mark_of("swap", [red])
    assert refused.error.kind == "fatal"
    assert "got none" in refused.error.reason


def test_a_whole_step_runs_and_its_key_is_in_no_file_no_log_and_no_repr(make, tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.jsonl").write_text('{"conversations": [{"role": "user", "content": "a cat"}]}\n' * 2)
    storage = FileStorage(first_entry_file_name="first.jsonl", cache_path="cache")
    with LoopbackServer() as server:
        serving = make(server.url, api_format="gemini", api_key=KEY, image_io=ImageIO(save_path="cache/images"))
        PromptedImageGenerator(t2i_serving=serving).run(
            storage.step(), input_conversation_key="conversations", output_image_key="images"
        )
    assert server.requests == 2
    assert {asked.headers["x-goog-api-key"] for asked in server.asked} == {KEY}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name.startswith("journal") for path in files)
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    shown = [caplog.text, repr(serving), repr(serving.settings), str(serving.fingerprint()), repr(server.prompts)]
    assert not [text for text in shown if KEY in text]


@pytest.mark.parametrize("api_format", ["chat", "images", "responses", "gemini"])
def test_a_key_that_the_server_repeats_is_cut_out(make, api_format, caplog):
    caplog.set_level(logging.DEBUG)
    with LoopbackServer(acts=[Act(401, {"error": {"message": f"Incorrect API key: {KEY}"}})]) as server:
        answer = ask_once(make(server.url, api_format=api_format, api_key=KEY), Request("x"))
    assert answer.error.kind == "fatal"
    assert "api_key=" in answer.error.reason
    assert not [text for text in (caplog.text, answer.error.said, repr(answer)) if KEY in text]


@pytest.mark.parametrize(("api_format", "header"), [("openai", "authorization"), ("gemini", "x-goog-api-key")])
def test_the_key_of_the_environment_is_used_when_none_is_given(make, monkeypatch, api_format, header):
    monkeypatch.setenv("DF_API_KEY", "sk-env")
    shape = "gemini" if api_format == "gemini" else "b64_json"
    with Wiretap(shapes.whole(shape, [draw_png(mark_of("x"))])) as tap:
        answer = ask_once(make(tap.url, api_format=api_format, api_key=None), Request("x"))
    assert answer.error is None
    assert tap.sent[0].headers[header].endswith("sk-env")


def test_an_empty_key_for_a_public_address_names_the_variable(make):
    with pytest.raises(ConfigError, match="DF_API_KEY"):
        make("https://generativelanguage.googleapis.com", api_key="").prepare()
    make("https://generativelanguage.googleapis.com", api_key=KEY).prepare()


@pytest.mark.parametrize(
    "options",
    [
        {"api_format": "soap"},
        {"Image_gen_task": "draw"},
        {"batch_size": 0},
        {"timeout": 0},
        {"connect_timeout": -1.0},
        {"extra_body": {"a": object()}},
    ],
)
def test_settings_that_cannot_be_right_are_refused_at_once(make, options):
    with pytest.raises(ConfigError):
        make("http://localhost", **options)


def test_without_a_place_for_pictures_it_says_what_to_give(make):
    with Wiretap(b"{}") as tap:
        answer = ask_once(make(tap.url, image_io=None), Request("x"))
    assert "image_io=ImageIO" in answer.error.reason
    assert tap.sent == []


def test_ids_do_not_depend_on_key_format_or_task(make):
    one = make("http://localhost", api_key=KEY, api_format="gemini").fingerprint()
    assert one == make("http://other", api_format="openai", Image_gen_task="imageedit", batch_size=1).fingerprint()

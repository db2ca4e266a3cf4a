"""The serving against a real server, one attempt at a time: what is sent, and what each end becomes."""

import logging
import socket

import pytest

from dataflow.core.records import Job, Request, Turn
from dataflow.errors import ConfigError
from dataflow.io import ImageIO
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.kit import shapes
from tests.kit.asking import ID, ask_each_once, ask_once
from tests.kit.drawing import draw_png, mark_of, read_mark
from tests.kit.loopback import Act, LoopbackServer

RED, BLUE = draw_png(mark_of("red")), draw_png(mark_of("blue"))


@pytest.fixture
def pictures(tmp_path):
    paths = []
    for name, data in (("red", RED), ("blue", BLUE)):
        (tmp_path / f"{name}.png").write_bytes(data)
        paths.append(str(tmp_path / f"{name}.png"))
    return tuple(paths)


@pytest.fixture
def make(tmp_path):
    def serving(url, **options):
        return APIVLMServing_openai(
            url, **{"model_name": "nano", "image_io": ImageIO(save_path=tmp_path / "made"), **options}
        )

    return serving


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("shape", [*shapes.CHAT_SHAPES, "url"])
def test_every_shape_ends_as_the_right_picture_on_disk(make, pictures, shape, stream):
    with LoopbackServer(shape=shape) as server:
        answer = ask_once(make(server.url, send_request_stream=stream), Request("swap", pictures))
    assert answer.error is None
    assert read_mark(answer.pictures[0].path) == mark_of("swap", [RED, BLUE])
    assert answer.usage["total_tokens"] == 1300
    assert (server.asked[0].body.get("stream") is True) == stream


@pytest.mark.parametrize("streams", [False, True])
def test_a_server_that_streams_or_not_as_it_likes_is_understood(make, streams):
    with LoopbackServer(streams=streams) as server:
        assert ask_once(make(server.url, send_request_stream=not streams), Request("x")).error is None


def test_each_input_picture_is_its_own_part_and_turns_come_first(make, pictures):
    request = Request("swap", pictures, turns=(Turn("system", "Be bold."),))
    with LoopbackServer() as server:
        ask_once(make(server.url, temperature=0.5, extra_body={"image_config": {"aspect_ratio": "1:1"}}), request)
    (asked,) = server.asked
    assert asked.images == (RED, BLUE)
    system, user = asked.body["messages"]
    assert system == {"role": "system", "content": "Be bold."}
    assert [part["type"] for part in user["content"]] == ["text", "image_url", "image_url"]
    assert asked.body["modalities"] == ["image", "text"]
    assert (asked.body["temperature"], asked.body["image_config"]) == (0.5, {"aspect_ratio": "1:1"})


@pytest.mark.parametrize(("number", "fields"), [(1, ("image",)), (2, ("image[]", "image[]"))])
def test_the_images_api_gets_multipart_with_one_file_a_picture(make, pictures, number, fields):
    with LoopbackServer() as server:
        serving = make(server.url, api_format="images", extra_body={"quality": "low"}, temperature=1.0)
        answer = ask_once(serving, Request("swap", pictures[:number], size=(64, 32)))
    (asked,) = server.asked
    assert (asked.path, asked.image_fields) == ("/v1/images/edits", fields)
    sent = {"model": "nano", "prompt": "swap", "size": "64x32", "response_format": "b64_json", "quality": "low"}
    assert asked.body == {**sent, "seed": str(int(ID[:8], 16) >> 1)}
    assert read_mark(answer.pictures[0].path) == mark_of("swap", [RED, BLUE][:number])


@pytest.mark.parametrize("stream", [False, True])
def test_the_images_api_generates_when_there_is_no_picture(make, stream):
    with LoopbackServer() as server:
        answer = ask_once(make(server.url, api_format="images", send_request_stream=stream), Request("a cat"))
    assert server.asked[0].path == "/v1/images/generations"
    assert read_mark(answer.pictures[0].path) == mark_of("a cat")


def test_a_text_needs_no_picture_and_no_modalities(make):
    with LoopbackServer(count=0, text="A cat.") as server:
        answer = ask_once(make(server.url, image_io=None), Request("What?", makes="text"))
    assert (answer.text, answer.pictures, answer.error) == ("A cat.", (), None)
    assert "modalities" not in server.asked[0].body


FAILURES = [
    (Act(401, {"error": {"message": "bad key"}}), "fatal"),
    (Act(429, {"error": {"code": "insufficient_quota"}}), "fatal"),
    (Act(404, {"error": {"code": "model_not_found"}}), "fatal"),
    (Act(307, "", {"location": "http://192.0.2.1/v1/chat/completions"}), "fatal"),
    (Act(429, {"error": {"code": "rate_limit_exceeded"}}, {"retry-after": "3"}), "wait"),
    (Act(400, {"error": {"code": "moderation_blocked"}}), "refused"),
    (Act(body={"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}), "refused"),
    (Act(500, "oops"), "retry"),
    (Act(body=b"<html>hello</html>"), "retry"),
    (Act(body=b""), "retry"),
    (Act(body={"choices": []}), "retry"),
    (Act(body={"task_id": "1"}), "fatal"),
    (Act(body=shapes.whole("images", [b"\x89PNG not really"])), "retry"),
    (Act(body=b'data: {"error": {"code": 503, "message": "busy"}}\n\n'), "retry"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("act", "kind"), FAILURES)
def test_each_failure_is_an_answer_with_its_class(make, act, kind, stream):
    with LoopbackServer(acts=[act]) as server:
        answer = ask_once(make(server.url, send_request_stream=stream), Request("x"))
    assert answer.error.kind == kind
    assert (answer.pictures, server.requests) == ((), 1)
    if kind == "wait":
        assert answer.error.wait == 3


@pytest.mark.parametrize("act", [Act(cut=0), Act(cut=200), Act(cut=200, clean=True)])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("shape", ["images", "markdown"])
def test_a_broken_off_answer_may_have_been_paid(make, shape, stream, act):
    with LoopbackServer(shape=shape, acts=[act]) as server:
        answer = ask_once(make(server.url, send_request_stream=stream), Request("x"))
    assert answer.error.kind == "retry"
    assert (answer.error.retries, answer.error.maybe_paid) == (1, True)


def test_a_server_that_never_answers_is_left_after_the_timeout(make):
    with LoopbackServer(acts=[Act(hang=True)]) as server:
        answer = ask_once(make(server.url, timeout=0.2), Request("x"))
    assert (answer.error.kind, answer.error.maybe_paid) == ("retry", True)


def test_a_refused_connection_is_certainly_unpaid(make):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        serving = make(f"http://127.0.0.1:{unused.getsockname()[1]}", image_io=None)
        answer = ask_once(serving, Request("x", makes="text"))
    assert (answer.error.kind, answer.error.maybe_paid, answer.error.retries) == ("retry", False, None)


def test_an_address_that_never_took_a_connection_stops_the_run_and_the_reason_is_kept(make):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        serving = make(f"http://127.0.0.1:{unused.getsockname()[1]}", image_io=None)
        serving.first_contact = 0.0
        answer = ask_once(serving, Request("x", makes="text"))
    assert (answer.error.kind, answer.error.outage) == ("fatal", False)
    assert "is api_url right" in answer.error.reason
    assert "onnect" in answer.error.said


def test_an_address_that_never_took_a_connection_is_no_outage_that_is_waited_for(make):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        serving = make(f"http://127.0.0.1:{unused.getsockname()[1]}", image_io=None)
        answer = ask_once(serving, Request("x", makes="text"))
    assert (answer.error.kind, answer.error.outage) == ("retry", False)


def test_a_wrong_path_names_the_form_to_try(make):
    with LoopbackServer() as server:
        answer = ask_once(make(server.url.replace("/v1", "/api")), Request("x"))
    assert answer.error.kind == "fatal"
    assert f"try {server.url}" in answer.error.reason


def test_words_instead_of_a_picture_are_kept(make):
    with LoopbackServer(count=0, text="I cannot draw.") as server:
        answer = ask_once(make(server.url), Request("x"))
    assert (answer.error.kind, answer.error.refuse_after) == ("retry", True)
    assert (answer.text, answer.error.said, answer.error.usage["total_tokens"]) == ("I cannot draw.",) * 2 + (1300,)


def test_a_saved_picture_is_recovered(make):
    with LoopbackServer() as server:
        serving = make(server.url)
        job = Job(ID, Request("x"))
        assert serving.recover(job) is None
        answer = ask_once(serving, job.request)
    assert serving.recover(job).pictures == answer.pictures
    assert serving.recover(Job(ID, Request("x", makes="text"))) is None


def test_the_key_is_sent_as_a_header_and_seen_nowhere_else(make, monkeypatch, caplog):
    key = "sk-canary-9a8b"
    monkeypatch.setenv("MY_KEY", key)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody")
    caplog.set_level(logging.DEBUG)
    act = Act(401, {"error": {"message": f"Incorrect API key: {key}"}})
    with LoopbackServer(acts=[Act(), act]) as server:
        serving = make(server.url, key_name_of_api_key="MY_KEY")
        _, failed = ask_each_once(serving, [Request("a"), Request("b")])
    assert server.asked[0].authorization == f"Bearer {key}"
    assert "openai-organization" not in server.asked[0].headers
    shown = [
        caplog.text,
        repr(serving),
        str(serving.fingerprint()),
        repr(failed),
        failed.error.reason,
        failed.error.said,
    ]
    assert not any(key in text for text in shown)
    assert failed.error.said == "Incorrect API key: [key]"


def test_who_answers_is_named_by_model_and_hosts_without_what_may_hold_a_key():
    serving = APIVLMServing_openai(["http://10.0.0.1:9/v1", "http://10.0.0.2/KEY/v1"], model_name="nano")
    assert serving.provenance() == {"model": "nano", "servers": ["10.0.0.1:9", "10.0.0.2"]}


def test_a_public_address_without_tls_is_warned_of_once(make, monkeypatch, caplog):
    monkeypatch.setenv("DF_API_KEY", "sk-1")
    serving = make("http://123.129.219.111:3000/v1/")
    serving.prepare()
    serving.prepare()
    assert [record.getMessage() for record in caplog.records if "unencrypted" in record.getMessage()] == [
        "key and pictures travel unencrypted to 123.129.219.111: use https if it is offered"
    ]


def test_settings_that_are_missing_stop_before_anything_is_spent(make, monkeypatch):
    monkeypatch.delenv("DF_API_KEY", raising=False)
    monkeypatch.delenv("DF_BASE_URL", raising=False)
    with pytest.raises(ConfigError, match="DF_BASE_URL"):
        make(None).prepare()
    monkeypatch.setenv("DF_BASE_URL", "https://api.example.com/v1")
    with pytest.raises(ConfigError, match="DF_API_KEY"):
        make(None).prepare()
    with pytest.raises(ConfigError, match="model_name"):
        make(None, model_name="").prepare()


def test_the_fingerprint_holds_what_changes_the_answers_and_nothing_else(make):
    one = make("http://localhost:1", temperature=0.5, extra_body={"n": 1}).fingerprint()
    same = make("http://localhost:2", temperature=0.5, extra_body={"n": 1}, max_workers=3, timeout=5.0)
    assert one == same.fingerprint()
    assert one == {"model": "nano", "temperature": 0.5, "extra_body": {"n": 1}}


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        ("http://a,https://generativelanguage.googleapis.com", "say which with api_format"),
        ("http://a,ftp://b", "ftp://b"),
        ("http://a,https://api.example.com", "no key for api.example.com"),
        (" , ", "no address"),
    ],
)
def test_every_address_is_checked_before_anything_is_sent(monkeypatch, addresses, words):
    monkeypatch.delenv("DF_API_KEY", raising=False)
    with pytest.raises(ConfigError, match=words):
        APIVLMServing_openai(addresses, model_name="flux").prepare()

"""An open connection to one address: what it sends, learns and answers."""

import asyncio
import math
import socket

import pytest

from dataflow.core.records import Job, Request
from dataflow.io import ImageIO
from dataflow.serving.api.connection import connect
from dataflow.serving.api.settings import ApiSettings
from dataflow.serving.api.wire import wires_of
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.kit import shapes
from tests.kit.asking import ID, ask_each_once, ask_once
from tests.kit.loopback import Act, LoopbackServer


@pytest.fixture
def make(tmp_path):
    def serving(url, **options):
        return APIVLMServing_openai(
            url, **{"model_name": "nano", "image_io": ImageIO(save_path=tmp_path / "made"), **options}
        )

    return serving


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({}, "modalities"),
        ({"send_request_stream": True}, "stream_options"),
        ({"api_format": "images"}, "response_format"),
    ],
)
def test_a_field_that_a_strict_server_refuses_is_dropped_once_and_remembered(make, options, refused):
    with LoopbackServer(refuses=(refused,)) as server:
        answers = ask_each_once(make(server.url, **options), [Request("a"), Request("b")])
    assert [answer.error for answer in answers] == [None, None]
    assert [refused in asked.body for asked in server.asked] == [True, False, False]


def test_a_field_of_the_users_own_is_never_dropped(make):
    with LoopbackServer(refuses=("modalities",)) as server:
        answer = ask_once(make(server.url, extra_body={"modalities": ["image"]}), Request("a"))
    assert (answer.error.kind, server.requests) == ("fatal", 1)
    assert "extra_body" in answer.error.reason


@pytest.mark.parametrize(
    ("options", "request_", "says"),
    [
        ({"image_io": None}, Request("x"), "image_io=ImageIO"),
        ({"api_format": "images"}, Request("x", makes="text"), 'api_format="chat"'),
        ({}, Request("x", size=(64, 64)), "no field for a size"),
    ],
)
def test_what_cannot_work_is_never_sent(make, options, request_, says):
    with LoopbackServer() as server:
        answer = ask_once(make(server.url, **options), request_)
    assert answer.error.kind == "fatal"
    assert says in answer.error.reason
    assert server.requests == 0


def test_a_picture_that_vanished_fails_its_request_alone(make, tmp_path):
    with LoopbackServer() as server:
        answer = ask_once(make(server.url), Request("x", (str(tmp_path / "gone.png"),)))
    assert (answer.error.kind, answer.error.retries, server.requests) == ("retry", 0, 0)
    assert "gone.png" in answer.error.reason


JOB = Job(ID, Request("x", makes="text"))


def with_connections(wires, act):
    async def run():
        connections = await connect(wires, width=2)
        try:
            return await act(*connections)
        finally:
            for connection in connections:
                await connection.close()

    return asyncio.run(run())


def wires_to(*servers, **options):
    addresses = [server.url for server in servers]
    return wires_of(ApiSettings(addresses, "nano", None, **options))


def test_an_answer_says_whether_the_address_took_the_connection():
    async def act(up, down):
        return await up.ask(JOB), await down.ask(JOB)

    with LoopbackServer(count=0, text="yes") as server, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        wires = wires_of(ApiSettings([server.url, nobody], "nano", None))
        (good, reached), (failed, not_reached) = with_connections(wires, act)
    assert (good.text, reached) == ("yes", True)
    assert (failed.error.outage, not_reached) == (True, False)


def test_what_is_not_sent_says_nothing_of_the_address():
    async def act(connection):
        return await connection.ask(Job(ID, Request("x")))

    with LoopbackServer() as server:
        answer, reached = with_connections(wires_to(server), act)
        assert (answer.error.kind, reached, server.requests) == ("fatal", None, 0)


def test_the_rate_that_a_reply_states_is_known():
    async def act(connection):
        before = connection.stated_rate
        await connection.ask(JOB)
        return before, connection.stated_rate

    reply = Act(body=shapes.whole("images", [], "yes"), headers={"x-ratelimit-limit-requests": "30"})
    with LoopbackServer(act_for=lambda asked: reply) as server:
        assert with_connections(wires_to(server), act) == (math.inf, 30)


def test_another_wire_forgets_what_the_address_refused():
    async def act(connection):
        connection._quirks.refused = frozenset({"stream_options"})
        (wire,) = wires_of(connection.wire.settings)
        await connection.change_wire(wire)
        await connection.ask(JOB)
        return connection.wire is wire

    with LoopbackServer(count=0, text="yes") as server:
        assert with_connections(wires_to(server, stream=True), act)
        assert "stream_options" in server.asked[0].body


def test_an_address_lists_its_models_for_nothing():
    async def act(connection):
        return await connection.listed_models()

    with LoopbackServer(models=["nano", "mega"]) as server:
        assert with_connections(wires_to(server), act) == {"nano", "mega"}
        assert server.requests == 0

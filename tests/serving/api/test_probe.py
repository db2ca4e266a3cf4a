"""What a server says of itself, asked of stubs that say it as engines do."""

import asyncio
import contextlib
import gzip
import socket
import threading
from dataclasses import replace

import orjson
import pytest
from aiohttp import web

from dataflow.core.records import JSON
from dataflow.serving.api.http.get import MAX_BYTES
from dataflow.serving.api.probe import ListedModel, ServerFacts, facts_of, probe
from tests.kit import engines
from tests.kit.engines import EngineServer, description
from tests.kit.loopback import LoopbackServer

MODEL = "Qwen/Qwen-Image-Edit-2511"
NOBODY = "http://127.0.0.1:9/v1"  # a port on which nothing listens


@pytest.mark.parametrize(
    ("kind", "software"),
    [(engines.VLLM_OMNI, "vLLM-Omni"), (engines.SGLANG, "SGLang"), (engines.DYNAMO, "Dynamo")],
)
def test_an_engine_is_known_by_its_list_and_its_description(kind, software):
    with EngineServer(kind, MODEL) as server:
        facts = probe({server.url: {}})[server.url]
    assert (facts.software, facts.names) == (software, {MODEL})
    assert facts.edits == frozenset((kind.edits or "").split())
    assert facts.draws is not None
    assert server.requests == 0


@pytest.mark.parametrize(
    ("kind", "software"),
    [
        (engines.VLLM_OMNI, "vLLM-Omni"),
        (engines.SGLANG, "SGLang"),
        (engines.GATEWAY, ""),  # it lists another owner
        (replace(engines.VLLM_OMNI, edits=None), ""),  # it has no path for pictures
    ],
)
def test_without_a_description_the_list_tells_the_engine_and_its_paths_that_it_draws(kind, software):
    with EngineServer(replace(kind, title=""), MODEL) as server:
        facts = probe({server.url: {}})[server.url]
    assert (facts.software, facts.is_undescribed, server.requests) == (software, True, 0)
    assert (facts.edits is not None) == (facts.draws is not None) == bool(software)
    assert (facts.edits or frozenset()) <= frozenset((kind.edits or "").split())


def test_several_servers_are_asked_and_one_that_is_not_there_says_nothing():
    with EngineServer(engines.SGLANG) as there, LoopbackServer() as mute:
        found = probe({there.url: {}, NOBODY: {}, mute.url: {}})
    assert [facts.is_known for facts in found.values()] == [True, False, False]
    assert found[NOBODY] == ServerFacts(None, None, None, None, "", is_unreachable=True)


def test_the_key_is_shown_and_the_description_lies_beside_the_version():
    with LoopbackServer() as server:
        probe({server.url: {"Authorization": "Bearer k"}, f"http://127.0.0.1:{server.port}/engine/v1": {}})
    assert sorted(headers.get("authorization", "") for headers in server.probed) == ["", "", "Bearer k", "Bearer k"]


def test_a_server_that_accepts_and_never_answers_is_left_alone():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        assert probe({address: {}}, timeout=0.05) == {address: ServerFacts(is_late=True)}


def test_a_server_that_ends_each_connection_is_there_and_says_nothing():
    def take_and_end():
        for _ in range(2):
            taken, _ = listening.accept()
            with taken:
                taken.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=take_and_end)
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        assert probe({address: {}}) == {address: ServerFacts(is_undescribed=True)}
        thread.join()


class Raw:
    """Sends every connection the same bytes, and then one byte again and again until it is told to stop."""

    def __init__(self, first: bytes, drop: bytes) -> None:
        self._first, self._drop, self.heads = first, drop, list[bytes]()
        self._stop = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}/v1"

    def __enter__(self) -> "Raw":
        self._threads = [threading.Thread(target=self._serve) for _ in range(2)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def _serve(self) -> None:
        taken, _ = self._listening.accept()
        with taken, contextlib.suppress(OSError):
            self.heads.append(taken.recv(65536))
            taken.sendall(self._first)
            while not self._stop.wait(0.02):
                taken.sendall(self._drop)


@pytest.mark.parametrize(
    ("first", "drop"),
    [(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"), (b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n", b" ")],
)
def test_a_server_that_sends_drop_by_drop_does_not_outlast_the_time(first, drop):
    with Raw(first, drop) as server:
        assert probe({server.address: {}}, timeout=0.1) == {server.address: ServerFacts(is_late=True)}
    assert all(b"accept-encoding: identity" in head.lower() for head in server.heads)


def test_what_is_packed_all_the_same_is_not_unpacked():
    class Packed(EngineServer):
        def _get(self, path):
            packed = gzip.compress(orjson.dumps({"data": [{"id": MODEL}]}))
            return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    with Packed(engines.SGLANG) as server:
        assert probe({server.url: {}}) == {server.url: ServerFacts(is_undescribed=True)}


def test_forty_servers_are_asked_at_the_same_time():
    class Together(LoopbackServer):
        """Answers once all that it expects has been asked."""

        async def _handle(self, request):
            response = await super()._handle(request)
            if len(self.probed) == 80:
                all_asked.set()
            await all_asked.wait()
            return response

    all_asked = asyncio.Event()
    with Together(models=["nano"]) as server:
        found = probe({f"http://127.0.0.1:{server.port}/gpu{n}/v1": {} for n in range(40)})
    assert not any(facts.is_late for facts in found.values())


@pytest.mark.parametrize("reply", [b"<html>", b"[" * (MAX_BYTES + 1), b'{"data": [{"id": 1}, 2]}'])
def test_a_reply_that_is_none_or_too_long_says_nothing(reply):
    class Odd(LoopbackServer):
        def _get(self, path):
            return web.Response(body=reply)

    with Odd() as server:
        facts = probe({server.url: {}})[server.url]
    assert facts.names in (None, frozenset())
    assert (facts.edits, facts.software) == (None, "")


@pytest.mark.parametrize(
    ("listed", "described"),
    [
        (None, None),
        ([], "text"),
        ({"data": {}}, {"paths": []}),
        ({"data": None}, {"paths": {"/v1/images/edits": {"get": {}}}}),
    ],
)
def test_replies_of_another_form_say_nothing(listed, described):
    assert facts_of(NOBODY, listed, described) == ServerFacts()


def test_a_text_server_of_vllm_is_no_engine_that_draws():
    listed: JSON = {"data": [{"id": "writer", "owned_by": "vllm", "root": "/models/writer"}, {"id": "lora"}]}
    facts = facts_of(NOBODY, listed, {"info": {"title": "FastAPI"}, "paths": {"/v1/chat/completions": {"post": {}}}})
    assert (facts.software, facts.edits, facts.names) == ("", None, {"writer", "lora"})
    assert facts.model("writer").root == "/models/writer"
    assert facts.model("other") == ListedModel("other")


def test_the_only_model_is_meant_by_every_name():
    with EngineServer(engines.SGLANG, MODEL) as server:
        facts = probe({server.url: {}})[server.url]
    assert facts.model("editor").root == MODEL


def test_a_path_of_an_address_is_before_its_paths_or_not():
    described = description(engines.VLLM_OMNI)
    behind = {**described, "paths": {f"/gpu0{path}": each for path, each in described["paths"].items()}}
    for each in (described, behind):
        facts = facts_of("http://engines.lan/gpu0/v1", None, each)
        assert facts.edits is not None
        assert "mask_image" in facts.edits


def test_a_reference_in_a_list_of_all_is_followed():
    schema: JSON = {"allOf": [{"$ref": "#/components/schemas/Body"}], "title": "Body"}
    post: JSON = {"requestBody": {"content": {"multipart/form-data": {"schema": schema}}}}
    described: JSON = {
        "paths": {"/v1/images/edits": {"post": post}},
        "components": {"schemas": {"Body": {"properties": {"prompt": {}}}}},
    }
    assert facts_of(NOBODY, None, described).edits == {"prompt"}

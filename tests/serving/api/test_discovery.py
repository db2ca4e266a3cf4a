"""What servers of one's own are found to be before the first request, and what is told where that does not show."""

import asyncio
from dataclasses import replace

import pytest
from aiohttp import web

from dataflow.core.records import Request
from dataflow.errors import ConfigError
from dataflow.io import ImageIO
from dataflow.serving.api.discovery import Discovery, Patience
from dataflow.serving.api.own_server import profile
from dataflow.serving.api.probe import ServerFacts
from dataflow.serving.api.settings import ApiSettings
from dataflow.serving.api.wire import wires_of
from dataflow.serving.api_image_gen_serving import APIImageGenServing
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.kit import engines
from tests.kit.asking import ask_each_once
from tests.kit.engines import EngineServer
from tests.kit.own_servers import QWEN, edit, photo, serve

__all__ = ["photo", "serve"]

DOWN = "http://127.0.0.1:9/v1"


class DrawsOnly(EngineServer):
    """Has no path for edits."""

    def _get(self, path):
        if path != "/openapi.json":
            return super()._get(path)
        described = engines.description(self.engine)
        del described["paths"]["/v1/images/edits"]
        return web.json_response(described)


class Slow(EngineServer):
    """Does not answer the first GETs of what it is."""

    def __init__(self, unanswered, path="/v1/models"):
        super().__init__(engines.VLLM_OMNI)
        self.unanswered, self.path = unanswered, path

    async def _handle(self, request):
        if request.path == self.path and self.unanswered:
            self.unanswered -= 1
            await self._stop.wait()
        return await super()._handle(request)


class Comes(EngineServer):
    """Is behind a proxy, and comes up after so many GETs."""

    def __init__(self, kind, model=QWEN, *, after):
        super().__init__(kind, model)
        self.after = after

    async def _handle(self, request):
        if self.after > 0:
            self.after -= request.method == "GET"
            return web.Response(status=502)
        return await super()._handle(request)


def test_a_server_that_was_slow_to_say_what_it_is_is_asked_again(serve, photo, caplog):
    with Slow(1) as server:
        serving = serve(server)
        serving.patience = Patience(0.4, 0.4)
        edit(serving, photo)
        assert (server.asked[0].path, server.drawn[0].cfg) == ("/v1/images/edits", 4.0)
    assert "did not say" not in caplog.text


def test_a_server_that_never_says_what_it_is_stops_the_run_unless_its_format_is_named(serve, photo, caplog):
    with Slow(99) as server:
        serving = serve(server)
        serving.patience = Patience(0.2, 0.2, start_up=0.0)
        with pytest.raises(ConfigError, match=r'does not say what it is: is api_url right.*api_format="chat" or'):
            serving.prepare()
        serving = serve(server, api_format="chat")
        serving.patience = Patience(0.2, 0.2)
        edit(serving, photo)
        serving.prepare()
        assert server.asked[0].path == "/v1/chat/completions"
    assert caplog.text.count("did not say within 0.4 s what it is: it is asked over the chat API") == 1


def test_a_server_that_comes_up_later_is_waited_for_and_asked_what_it_is(serve, photo, caplog):
    with Comes(engines.VLLM_OMNI, after=3) as server:
        serving = serve(server)
        serving.patience = Patience(poll=0.0)
        edit(serving, photo)
        assert (server.asked[0].path, server.drawn[0].cfg) == ("/v1/images/edits", 4.0)
        assert serving.fingerprint()["pixels"] == 1024 * 1024
    assert "takes no connection: waiting until it is up, 10 min at most" in caplog.text
    assert f"{server.url} is up" in caplog.text


def test_a_server_that_is_slow_each_time_is_waited_for_at_the_second(serve, photo, caplog):
    class Sluggish(EngineServer):
        async def _handle(self, request):
            if request.path == "/openapi.json":
                await asyncio.sleep(0.4)
            return await super()._handle(request)

    with Sluggish(engines.VLLM_OMNI) as server:
        serving = serve(server)
        serving.patience = Patience(0.1, 60.0)
        edit(serving, photo)
        assert (server.asked[0].path, server.drawn[0].cfg) == ("/v1/images/edits", 4.0)
    assert "did not say" not in caplog.text


def test_a_known_provider_is_not_asked_what_it_is(monkeypatch):
    monkeypatch.setenv("DF_API_KEY", "k")
    with EngineServer(engines.VLLM_OMNI) as server:
        settings = ApiSettings(["https://openrouter.ai/api/v1", server.url], QWEN, ImageIO("made"), dialect="chat")
        discovery = Discovery()
        discovery.find_out(wires_of(settings), Patience())
        assert (list(discovery.profiles), len(server.probed)) == ([server.url], 2)


@pytest.mark.parametrize("kind", [engines.VLLM_OMNI, engines.SGLANG], ids=["vLLM-Omni", "SGLang"])
def test_an_engine_behind_a_proxy_that_hides_its_description_is_known_by_its_list(kind, serve, photo, caplog):
    with EngineServer(kind) as open_, EngineServer(replace(kind, title="")) as hidden:
        edit(serve(hidden), photo)
        edit(serve(open_), photo)
        assert hidden.drawn == open_.drawn
        assert hidden.asked[0].body == open_.asked[0].body
        assert serve(hidden).fingerprint() == serve(open_).fingerprint()
    assert "openapi" not in caplog.text


@pytest.mark.parametrize(
    "kind",
    [
        engines.PLAIN,
        replace(engines.IMAGES_ONLY, title=""),  # no engine is the owner of its models
        replace(engines.VLLM_OMNI, title="", edits=None),  # it has no path for pictures
    ],
)
def test_a_server_that_describes_nothing_is_asked_over_the_chat_with_one_warning(kind, serve, photo, caplog):
    with EngineServer(kind) as server:
        serving = serve(server)
        edit(serving, photo)
        serving.prepare()
        assert {asked.path for asked in server.asked} == {"/v1/chat/completions"}
    (said,) = [each.getMessage() for each in caplog.records if "openapi" in each.getMessage()]
    assert said.startswith(f"{server.url} has no /openapi.json")
    assert 'give api_format="images", and in extra_body=' in said


@pytest.mark.parametrize(
    "option",
    [{"api_format": "images"}, {"api_format": "chat"}, {"image_io": None}, {"model_name": "gemini-3.1-flash-image"}],
)
def test_what_is_set_by_hand_and_what_no_engine_draws_is_not_warned_of(option, serve, caplog):
    with EngineServer(engines.PLAIN) as server:
        serve(server, **option).prepare()
    assert "openapi" not in caplog.text


def test_a_server_that_never_comes_up_stops_the_run_before_anything_is_asked():
    serving = APIVLMServing_openai(DOWN, model_name="flux", image_io=ImageIO("made"))
    serving.patience = Patience(start_up=0.0)
    with pytest.raises(ConfigError, match=f"{DOWN} takes no connection: is api_url right, is the server up"):
        serving.prepare()


def test_a_dry_run_waits_for_no_server_and_says_that_a_run_would(caplog):
    serving = APIVLMServing_openai(DOWN, model_name="flux", image_io=ImageIO("made"))
    serving.rehearse()
    assert f"{DOWN} takes no connection: a run waits for it, 10 min at most" in caplog.text
    assert serving.mask_problem().startswith(f"{DOWN} did not say what it is (is it up?), and else the")


@pytest.mark.parametrize(
    "option",
    [{"batch": True}, {"provider": profile(ServerFacts(), QWEN, {})}, {"image_io": None}, {"api_format": "gemini"}],
)
def test_nobody_is_asked_what_it_is_where_that_decides_nothing(option, serve):
    with EngineServer(engines.VLLM_OMNI) as server:
        serve(server, **option).prepare()
        assert server.probed == []


def test_what_one_server_of_a_fleet_says_holds_for_those_that_are_down(serve, photo):
    with EngineServer(engines.VLLM_OMNI) as there:
        both = serve(there, api_url=[DOWN, there.url])
        edit(both, photo)
        assert [asked.path for asked in there.asked] == ["/v1/images/edits"]
        assert both.fingerprint()["true_cfg_scale"] == 4.0


def test_an_address_of_a_fleet_that_comes_up_late_is_asked_what_it_is_before_it_draws(serve, photo):
    with EngineServer(engines.VLLM_OMNI) as there, Comes(engines.SGLANG, "Qwen/Qwen-Image-Edit", after=2) as late:
        serving = serve(there, api_url=[there.url, late.url])
        first, second = ask_each_once(serving, [Request("make it red", (photo,))] * 2)
        assert (first.model, second.model) == (QWEN, "Qwen/Qwen-Image-Edit")
        assert (len(there.drawn), late.drawn[0].kind) == (1, "png")


def test_an_address_that_comes_up_late_with_another_model_stops_a_strict_run(serve, photo):
    with EngineServer(engines.SGLANG) as there, Comes(engines.SGLANG, "Qwen/Qwen-Image-Edit", after=2) as late:
        serving = serve(there, api_url=[there.url, late.url], strict_model=True)
        _, answer = ask_each_once(serving, [Request("make it red", (photo,))] * 2)
    assert (answer.error.kind, "Qwen/Qwen-Image-Edit answered" in answer.error.reason) == ("fatal", True)


def test_an_engine_of_another_kind_that_comes_up_late_stops_the_run_and_draws_nothing(serve, photo):
    with EngineServer(engines.VLLM_OMNI) as there, Comes(engines.DYNAMO, after=2) as late:
        _, answer = ask_each_once(serve(there, api_url=[there.url, late.url]), [Request("make it red", (photo,))] * 2)
        assert (answer.error.kind, late.requests) == ("fatal", 0)
    assert "give each kind a serving of its own" in answer.error.reason


def test_the_name_of_a_model_that_vllm_omni_does_not_serve_is_refused_with_the_one_that_it_does(serve):
    with EngineServer(engines.VLLM_OMNI) as server:
        with pytest.raises(ConfigError, match=f"{server.url} serves {QWEN}, and not qwen: name it in model_name="):
            serve(server, model_name="qwen").prepare()
        serve(server, model_name="qwen", api_format="chat").prepare()  # takes any name


def test_engines_that_draw_the_same_edit_otherwise_are_refused_before_anything_is_sent(serve, photo, caplog):
    with EngineServer(engines.VLLM_OMNI) as one, EngineServer(engines.DYNAMO) as other:
        both = [one.url, other.url]
        with pytest.raises(ConfigError, match="give each kind a serving of its own") as refused:
            serve(one, api_url=both).prepare()
        assert one.url in str(refused.value)
        assert "true_cfg_scale=4.0" in str(refused.value)
        given = {"negative_prompt": " ", "true_cfg_scale": 4.0, "nvext": {}, "size": "512x512"}
        serve(one, api_url=both, extra_body=given).prepare()
        APIImageGenServing(both, ImageIO("made"), model_name=QWEN, Image_gen_task="text2image").prepare()
        assert one.requests == other.requests == 0
    assert caplog.text == ""


@pytest.mark.parametrize("kind", [engines.SGLANG, replace(engines.SGLANG, title="")])
def test_engines_of_two_kinds_that_are_asked_alike_are_one_fleet(kind, serve):
    with EngineServer(engines.VLLM_OMNI) as one, EngineServer(kind) as other:
        serve(one, api_url=[one.url, other.url]).prepare()


def test_replicas_that_are_down_slow_or_without_edits_at_the_start_are_of_the_same_kind(serve, photo):
    with DrawsOnly(engines.SGLANG) as draws, EngineServer(engines.SGLANG) as edits, Slow(9, "/openapi.json") as slow:
        serving = serve(edits, api_url=[DOWN, draws.url, slow.url, edits.url])
        serving.patience = Patience(0.3, 0.1)
        serving.prepare()
        assert serving.fingerprint()["pixels"] == 1024 * 1024

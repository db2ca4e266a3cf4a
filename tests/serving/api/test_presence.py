"""Models that were retired or withdrawn: what is sent, what is said, and after how many requests a run stops."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date
from types import SimpleNamespace

import pytest

from dataflow.core.records import Request
from dataflow.errors import ConfigError, Failure, FatalAnswer
from dataflow.flow.summary import Summary
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageGenerator
from dataflow.serving.api.connection import connect
from dataflow.serving.api.presence import Presence
from dataflow.serving.api.serving import ApiServing
from dataflow.serving.api.settings import ApiSettings
from dataflow.serving.api.wire import wires_of
from dataflow.serving.api_image_gen_serving import APIImageGenServing
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.kit.asking import ask_once
from tests.kit.flow import prompts_storage
from tests.kit.loopback import Act, LoopbackServer

RETIRED, LIVING = "gemini-2.5-flash-image-preview", "gemini-3.1-flash-image"
LINE = f'change one line, to model_name="{LIVING}"'
UNKNOWN = Act(404, {"error": {"message": f"The model `{RETIRED}` does not exist", "code": "model_not_found"}})
NO_CHANNEL = Act(503, {"error": {"code": "model_not_found", "message": "No available channel for this model"}})
DOWN = Act(503, {"error": {"message": "Service unavailable"}})
FORBIDDEN = Act(500, {"error": {"message": "upstream error", "code": 403}})


@pytest.fixture
def draw(tmp_path):
    def run(
        server: LoopbackServer | SimpleNamespace, model: str = RETIRED, rows: int = 12, **settings: object
    ) -> Summary:
        images = ImageIO(str(tmp_path / "made"))
        serving = APIVLMServing_openai(server.url, model_name=model, image_io=images)
        for name, value in {"today": lambda: date(2026, 11, 29), **settings}.items():
            setattr(serving, name, value)
        storage = prompts_storage(tmp_path, [f"p{n}" for n in range(rows)])
        operator = PromptedImageGenerator(serving)
        return operator.run(storage.step(), input_conversation_key="prompt", output_image_key="made")

    return run


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What is said, but for the age of prices, which goes by the day it is."""
    said = [each for each in caplog.records if each.levelno == logging.WARNING]
    return [each.getMessage() for each in said if each.name != "dataflow.money.budget"]


@pytest.mark.parametrize("models", [None, [f"google/{RETIRED}", "gpt-4o"]])
def test_a_retired_name_is_sent_as_written_with_one_warning_where_it_is_served(draw, caplog, models):
    with LoopbackServer(models=models) as server:
        summary = draw(server)
        assert (summary.failed, server.requests) == (0, 12)
        assert {asked.body["model"] for asked in server.asked} == {RETIRED}
    (warning,) = told(caplog)
    assert warning.startswith(f"{RETIRED} was shut down on 2026-01-15: it is asked for as it is written")
    assert warning.endswith(f'model_name="{LIVING}"')


def test_a_retired_name_is_asked_for_alone_until_one_answer_has_come(draw):
    with LoopbackServer(latency=0.01) as server:
        first = []
        server.act_for = lambda asked: first.append(server.in_flight)
        draw(server)
    assert first[0] == 1
    assert server.peak > 2


def test_a_retired_name_that_the_list_lacks_is_not_paid_for(draw):
    with LoopbackServer(models=[LIVING, "gpt-4o"]) as server:
        with pytest.raises(ConfigError, match=f"does not list the model {RETIRED} .shut down on 2026-01-15: {LINE}"):
            draw(server)
        assert server.requests == 0


@pytest.mark.parametrize("refusal", [UNKNOWN, NO_CHANNEL])
def test_a_retired_name_that_is_refused_costs_one_request(draw, refusal):
    with LoopbackServer(act_for=lambda asked: refusal, latency=0.01) as server:
        with pytest.raises(FatalAnswer, match=LINE):
            draw(server)
        assert server.requests == 1


def test_a_retired_name_goes_to_those_of_several_addresses_that_serve_it(draw):
    with LoopbackServer(models=[LIVING], act_for=lambda asked: UNKNOWN) as without, LoopbackServer() as served:
        summary = draw(SimpleNamespace(url=[without.url, served.url]))
        assert (summary.failed, served.requests) == (0, 12)
        served.models = [LIVING]
        with pytest.raises(ConfigError, match=f"{without.url} and {served.url} does not list"):
            draw(SimpleNamespace(url=[without.url, served.url]), rows=14)


def test_a_living_name_is_asked_for_without_a_word_whatever_the_list_says(draw, caplog):
    with LoopbackServer(models=["gpt-4o"]) as server:
        assert draw(server, LIVING).failed == 0
    assert told(caplog) == []


def test_before_its_last_day_a_model_is_asked_for_without_a_word(draw, caplog):
    with LoopbackServer() as server:
        assert draw(server, today=lambda: date(2026, 1, 14)).failed == 0
    assert told(caplog) == []


def test_the_id_is_of_the_name_that_was_sent(tmp_path):
    def serving(model: str) -> ApiServing:
        return APIVLMServing_openai("http://localhost:1", model_name=model, image_io=ImageIO(str(tmp_path)))

    names = (RETIRED, f"google/{RETIRED}", "gemini-2.5-flash-image", LIVING)
    assert [serving(name).fingerprint()["model"] for name in names] == list(names)
    assert "strict_model" not in APIVLMServing_openai("http://localhost:1", strict_model=True).fingerprint()


@pytest.mark.parametrize("act", [DOWN, FORBIDDEN])
@pytest.mark.parametrize("model", [LIVING, RETIRED])
def test_nothing_but_503_of_a_model_that_is_not_listed_stops_the_run(draw, act, model):
    with LoopbackServer(act_for=lambda asked: act) as server:
        server.models = None  # at first there is no list to tell

        def listed(asked):
            server.models = ["gpt-4o"]
            return act

        server.act_for = listed
        with pytest.raises(FatalAnswer, match=f"nothing but HTTP 503, and does not list the model {model}") as stopped:
            draw(server, model, rows=1, unserved_for=0.0)
        assert server.requests == 1
        assert (LINE in str(stopped.value)) == (model == RETIRED)


BUSY = Failure("retry", "in trouble (HTTP 503)", outage=True, unconfirmed="unserved")


def after(seconds: list[float], failures: Sequence[Failure | None], *names: list[str] | None) -> list[str]:
    """The kind that each end of an attempt comes to at these times, at addresses that list these models."""

    async def run(urls: list[str]) -> list[str]:
        presence, connections = Presence("nano"), await connect(wires_of(ApiSettings(urls, "nano", None)), width=1)
        settled = [
            await presence.settle(failure, connections, now, 120.0)
            for now, failure in zip(seconds, failures, strict=True)
        ]
        for connection in connections:
            await connection.close()
        return ["" if each is None else each.kind for each in settled]

    with ExitStack() as servers:
        return asyncio.run(run([servers.enter_context(LoopbackServer(models=each)).url for each in names]))


def test_two_minutes_of_503_are_taken_for_an_overload_and_longer_where_the_model_is_listed():
    times, same = [0.0, 60.0, 119.0, 120.0], [BUSY] * 4
    assert after(times, same, ["gpt-4o"]) == ["retry", "retry", "retry", "fatal"]
    assert after(times, same, ["google/nano"]) == ["retry"] * 4
    assert after(times, same, None) == ["retry"] * 4
    assert after(times, same, ["gpt-4o"], ["nano"]) == ["retry"] * 4
    assert after(times, same, ["gpt-4o"], None) == ["retry"] * 4
    assert after(times, same, ["gpt-4o"], ["gpt-4o-mini"]) == ["retry", "retry", "retry", "fatal"]


@pytest.mark.parametrize("models", [["*"], ["gemini/*", "gpt-4o"], ["editor", "my-judge"]])
def test_a_list_with_wildcards_or_of_own_names_alone_does_not_tell_what_is_served(draw, models):
    assert after([0.0, 120.0], [BUSY] * 2, models) == ["retry", "retry"]
    with LoopbackServer(models=models) as server:
        assert draw(server).failed == 0


@pytest.mark.parametrize("other", [None, Failure("wait", "asks for fewer requests"), Failure("retry", "broke off")])
def test_any_other_end_within_two_minutes_begins_them_anew(other):
    assert after([0.0, 100.0, 130.0, 249.0], [BUSY, other, BUSY, BUSY], ["gpt-4o"])[2:] == ["retry", "retry"]


@pytest.mark.parametrize("serving", [APIVLMServing_openai, APIImageGenServing])
def test_google_is_asked_for_its_list_in_its_own_form(serving, tmp_path):
    with LoopbackServer(models=["gemini-3.1-flash-image"]) as server:
        worker = serving(server.url, api_format="gemini", model_name=RETIRED, image_io=ImageIO(str(tmp_path)))
        worker.today = lambda: date(2026, 11, 29)
        with pytest.raises(ConfigError, match="does not list the model"):
            ask_once(worker, Request("p"))
        assert server.requests == 0

"""Who answered: recorded, counted, told of where it is another model than asked, priced, and stopped on demand."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from dataflow.core.records import Answer
from dataflow.errors import FatalAnswer, StepFailed
from dataflow.flow.answered_by import AnsweredBy, who_answered
from dataflow.flow.summary import Summary
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageGenerator
from dataflow.serving.api_image_gen_serving import APIImageGenServing
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.kit.billing import Bill
from tests.kit.flow import flat, journal_entries, prompts_storage
from tests.kit.loopback import Act, LoopbackServer

ASKED, OTHER = "gemini-2.5-flash", "gemini-3.5-flash-lite"
MOST = {"most_input": 10_000, "most_output": 10_000}
PRICES = {ASKED: {"input": 1.0, "output": 10.0, **MOST}, OTHER: {"input": 2.0, "output": 30.0, **MOST}}
SAYS = {"chat": "model", "images": "model", "responses": "model", "gemini": "modelVersion"}


class Draw:
    """Runs one step over prompts against a server; gives the summary."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self, server: LoopbackServer | SimpleNamespace, rows: int = 6, *, prices: object = None, **options: object
    ) -> Summary:
        images = ImageIO(str(self.folder / "made"))
        settings = {"model_name": ASKED, **options}
        serving = APIVLMServing_openai(server.url, image_io=images, **settings)  # type: ignore[arg-type]
        storage = prompts_storage(self.folder, [f"p{n}" for n in range(rows)], prices=prices or PRICES)
        operator = PromptedImageGenerator(serving)
        return operator.run(storage.step(), input_conversation_key="prompt", output_image_key="made")

    def meta(self) -> dict[str, Any]:
        return orjson.loads((self.folder / "cache/dataflow_cache_step_step1.meta.json").read_bytes())

    def got(self) -> list[dict[str, Any]]:
        return [entry for entry in journal_entries(self.folder / "cache") if entry["t"] == "got"]


@pytest.fixture
def draw(tmp_path):
    return Draw(tmp_path)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What is said, but for the age of prices, which goes by the day it is."""
    said = [each for each in caplog.records if each.levelno == logging.WARNING]
    return [each.getMessage() for each in said if each.name != "dataflow.money.budget"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", SAYS)
def test_another_model_is_recorded_counted_told_of_once_and_priced(draw, caplog, form, stream):
    says = {SAYS[form]: OTHER}
    with LoopbackServer(says=says, bill=Bill("2", "30")) as server:
        summary = draw(server, api_format=form, send_request_stream=stream)
        assert summary.cost == pytest.approx(float(server.bill.total()) if form == "chat" else summary.cost)
    assert [entry["model"] for entry in draw.got()] == [OTHER] * 6
    assert all("provider" not in entry for entry in draw.got())
    assert summary.answered_by == {"painter": {OTHER: 6}} == draw.meta()["summary"]["answered_by"]
    assert draw.meta()["made_by"]["painter"]["answered_by"] == {OTHER: 6}
    assert f"answered by {OTHER} (6)" in flat(summary)
    (warning,) = warnings(caplog)
    assert warning.startswith(f"{ASKED} was asked for, and {OTHER} answered")


def test_answers_of_earlier_runs_are_counted_with_who_gave_them(draw, caplog):
    with LoopbackServer() as server:
        draw(server, 2)
        server.says = {"model": f"google/{ASKED}", "provider": "Google AI Studio"}
        draw(server, 5)
        server.says = {"model": OTHER}
        summary = draw(server, 6)
    assert summary.answered_by == {"painter": {f"google/{ASKED} at Google AI Studio": 3, OTHER: 1}}
    assert draw.got()[2]["provider"] == "Google AI Studio"
    assert len(warnings(caplog)) == 1
    again = draw(server, 6)  # nobody is asked any more
    assert again.answered_by == summary.answered_by
    assert len(warnings(caplog)) == 1


def test_what_fails_and_is_paid_is_priced_as_what_replied_and_says_so(draw):
    usage = {"prompt_tokens": 10, "completion_tokens": 70}
    said, refused = (
        {"choices": [{"message": {"content": "no"}, "finish_reason": why}], "usage": usage, "model": OTHER}
        for why in ("stop", "content_filter")
    )
    acts = [Act(body=said), Act(body=refused)]
    with LoopbackServer(acts=acts, says={"model": OTHER}, bill=Bill("2", "30")) as server:
        summary = draw(server, 3, max_workers=1)
        assert (summary.failed, summary.requests) == (1, 4)
        assert summary.cost == pytest.approx(float(server.bill.total()))
    failed = [entry for entry in journal_entries(draw.folder / "cache") if entry["t"] == "fail"]
    assert [entry["model"] for entry in failed] == [OTHER, OTHER]


def test_an_attempt_at_a_far_dearer_model_that_is_asked_again_costs_what_that_one_costs(draw):
    usage = {"prompt_tokens": 1000, "completion_tokens": 1000}
    words = {"choices": [{"message": {"content": "no"}, "finish_reason": "stop"}], "usage": usage, "model": "dear"}
    most = {"most_input": 10_000, "most_output": 10_000}
    prices = {"cheap": {"input": 1, "output": 1, **most}, "dear": {"input": 1000, "output": 1000, **most}}
    with LoopbackServer(acts=[Act(body=words)] * 3) as server, pytest.raises(StepFailed):
        draw(server, 1, model_name="cheap", prices=prices)
    assert [entry["cost"] for entry in journal_entries(draw.folder / "cache") if entry["t"] == "fail"] == [2.0] * 3


def test_what_is_paid_for_a_model_of_unknown_price_is_that_of_the_one_asked_for(draw):
    with LoopbackServer(says={"model": "gemini-9-unheard"}, bill=Bill("1", "10")) as server:
        assert draw(server).cost == pytest.approx(float(server.bill.total()))


def test_ones_own_price_of_what_is_asked_goes_before_a_list_price_of_what_answers(draw):
    with LoopbackServer(says={"model": "gemini-3-pro-image"}) as server:
        summary = draw(server, model_name="relay/nano", prices={"relay/nano": {"image": 0.02}})
    assert summary.cost == pytest.approx(6 * 0.02)


def test_a_version_of_the_model_is_the_model_itself(draw, caplog):
    with LoopbackServer(says={"model": "gpt-4o-2024-08-06"}, bill=Bill("2.5", "10")) as server:
        summary = draw(server, model_name="openai/gpt-4o", strict_model=True, prices={})
    assert (summary.failed, warnings(caplog)) == (0, [])
    assert summary.answered_by == {"painter": {"gpt-4o-2024-08-06": 6}}


@pytest.mark.parametrize("form", SAYS)
def test_strict_model_stops_before_a_second_request_and_names_both(draw, form):
    with LoopbackServer(says={SAYS[form]: OTHER}, latency=0.01) as server:
        with pytest.raises(FatalAnswer, match=f"was asked for {ASKED}, and {OTHER} answered: .*leave strict_model out"):
            draw(server, 40, strict_model=True, api_format=form)
        assert server.requests == 1
    assert draw.got() == []
    with LoopbackServer(says={SAYS[form]: OTHER}) as server:  # its picture was not kept to be adopted
        assert draw(server, 3, api_format=form).adopted == 0
        assert server.requests == 3


def test_strict_model_takes_what_the_model_itself_answers_or_does_not_say(draw):
    with LoopbackServer(latency=0.01) as server:
        assert draw(server, 20, strict_model=True).failed == 0
        assert server.peak > 1
        server.act_for = None
        server.says = {"model": OTHER}
        with pytest.raises(FatalAnswer):
            draw(server, 60, strict_model=True)


def test_a_name_is_kept_as_one_short_line_without_control_characters(draw, caplog):
    with LoopbackServer(says={"model": f"\x1b[2Ja\nb{'x' * 1000}"}) as server:
        summary = draw(server, 1)
    ((name, _),) = summary.answered_by["painter"].items()
    assert (name[:10], len(name)) == ("\\x1b[2Ja b", 300)
    assert all(len(line) < 120 for line in str(summary).splitlines()[:-1])
    assert "\x1b" not in warnings(caplog)[0]


def test_names_that_a_server_makes_up_for_each_reply_are_told_apart_up_to_a_hundred(caplog):
    answered_by = AnsweredBy({"model": APIVLMServing_openai("http://localhost:1", model_name="nano")})
    for number in range(130):
        answer = Answer(text="x", model=f"m{number}")
        answered_by.arrived("model", answer)
        answered_by.used(filter(None, [who_answered("model", answer)]))
    counts = answered_by.counts()["model"]
    assert (len(counts), counts["others"], len(warnings(caplog))) == (101, 30, 100)


def test_of_two_servers_each_is_priced_as_what_it_answers_with_and_strict_model_stops_at_the_other(draw, caplog):
    with (
        LoopbackServer(says={"model": ASKED}, bill=Bill("1", "10")) as good,
        LoopbackServer(says={"model": OTHER}, bill=Bill("2", "30")) as other,
    ):
        both = SimpleNamespace(url=[good.url, other.url])
        summary = draw(both, 12)
        assert summary.cost == pytest.approx(float(good.bill.total() + other.bill.total()))
        assert summary.answered_by == {"painter": {ASKED: good.requests, OTHER: other.requests}}
        assert good.requests + other.requests == 12
        assert len(warnings(caplog)) == 1
        with pytest.raises(FatalAnswer, match=f"was asked for {ASKED}, and {OTHER} answered"):
            draw(both, 40, strict_model=True)


@pytest.mark.parametrize("serving", [APIVLMServing_openai, APIImageGenServing])
def test_both_servings_take_strict_model_and_leave_it_out_of_ids(serving):
    plain, strict = serving(model_name="nano"), serving(model_name="nano", strict_model=True)
    assert strict.settings.strict_model
    assert strict.fingerprint() == plain.fingerprint()

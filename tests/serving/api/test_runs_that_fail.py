"""Whole steps against a server that fails: where the run stops, what it says, what was sent and what is counted."""

import inspect

import pytest

from dataflow.core.retry import RetryPolicy
from dataflow.errors import ConfigError, FatalAnswer, StepFailed
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageGenerator
from dataflow.serving.api_image_gen_serving import APIImageGenServing
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage
from tests.kit import shapes
from tests.kit.drawing import draw_png, mark_of
from tests.kit.faults import ACTS, Faults, draw_rows
from tests.kit.flow import read_rows, write_rows
from tests.kit.loopback import Act, LoopbackServer

WIDTH = 8
WRONG_KEY = Act(401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}})
NO_CREDIT = Act(403, {"error": {"message": "用户额度不足", "code": "insufficient_user_quota"}})
LOST = Act(cut=0)


class Draw:
    """Runs one step over prompts against a server; gives the summary, and keeps the step."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, server, prompts, *, retry_rejected=False, **options):
        source = write_rows(self.folder / "rows.jsonl", [{"prompt": prompt} for prompt in prompts])
        serving = APIVLMServing_openai(
            server.url,
            model_name="nano",
            image_io=ImageIO(str(self.folder / "made")),
            **{"max_workers": WIDTH, **options},
        )
        self.step = FileStorage(str(source), cache_path=str(self.folder / "cache")).step()
        operator = PromptedImageGenerator(serving)
        return operator.run(
            self.step, input_conversation_key="prompt", output_image_key="made", retry_rejected=retry_rejected
        )


@pytest.fixture
def draw(tmp_path):
    return Draw(tmp_path)


def prompts(count):
    return [f"p{n}" for n in range(count)]


def test_a_wrong_key_stops_the_run_within_what_was_in_flight(draw, monkeypatch):
    monkeypatch.setenv("DF_API_KEY", "sk-wrong")
    with LoopbackServer(act_for=lambda asked: WRONG_KEY, latency=0.02) as server:
        with pytest.raises(FatalAnswer, match="does not accept the key in DF_API_KEY: give one that is valid"):
            draw(server, prompts(200))
        assert server.requests <= WIDTH


def test_a_server_that_wants_a_key_where_none_is_given_says_that(draw, monkeypatch):
    monkeypatch.delenv("DF_API_KEY", raising=False)
    words = "wants a key, and none is given: put yours into DF_API_KEY, then run"
    with LoopbackServer(act_for=lambda asked: WRONG_KEY) as server, pytest.raises(FatalAnswer, match=words):
        draw(server, prompts(2))


def test_one_odd_refusal_of_the_key_in_mid_run_costs_one_request(draw):
    with LoopbackServer(acts=[Act(), WRONG_KEY]) as server:
        summary = draw(server, prompts(20), max_workers=1)
    assert (summary.failed, summary.requests, server.requests) == (0, 21, 21)


def test_a_key_that_is_revoked_in_mid_run_stops_it_and_the_next_run_goes_on(draw):
    left = [30]

    def act_for(asked):
        left[0] -= 1
        return WRONG_KEY if left[0] < 0 else None

    with LoopbackServer(act_for=act_for, latency=0.01) as server:
        with pytest.raises(FatalAnswer, match="DF_API_KEY"):
            draw(server, prompts(200))
        assert server.requests <= 30 + 2 * WIDTH
        left[0] = 1000
        asked_before = server.requests
        summary = draw(server, prompts(200))
    assert (summary.failed, summary.reused) == (0, 30)
    assert server.requests - asked_before == 170


@pytest.mark.parametrize(
    "empty",
    [
        {"code": 1008, "success": False, "message": "Insufficient balance, please recharge", "data": None},
        {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        {"choices": [], "error": {"message": "Your credits are exhausted", "code": "credits_exhausted"}},
        {"message": "Account balance is insufficient"},
        {"choices": [], "error_msg": "Your quota has been exhausted"},
        {"hinweis": "余额不足"},
        {"choices": [{"message": {"content": "Out of credits: please top up"}, "finish_reason": "stop"}]},
    ],
)
def test_an_account_that_empties_under_http_200_stops_the_run_and_a_top_up_heals_every_row(draw, empty):
    left = [6]

    def act_for(asked):
        left[0] -= 1
        return Act(body=empty) if left[0] < 0 else None

    with LoopbackServer(act_for=act_for, latency=0.01) as server:
        with pytest.raises(FatalAnswer, match=r"no credit left at .*: top up the account, then run again"):
            draw(server, prompts(40))
        assert server.requests <= 6 + 2 * WIDTH
        left[0] = 1000
        summary = draw(server, prompts(40))
    assert (summary.rows, summary.failed, summary.reused) == (40, 0, 6)


def test_an_envelope_of_little_credit_stops_the_run(draw):
    with LoopbackServer(act_for=lambda asked: Act(body={"ret": -1, "retmsg": "余额不足"})) as server:
        with pytest.raises(FatalAnswer, match="finds too little credit: top up"):
            draw(server, prompts(3))
        server.act_for = None
        assert draw(server, prompts(3)).failed == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"hinweis": 1, "msg": "Guthaben leer"}, "sent words instead of an answer: Guthaben leer"),
        ({"hinweis": "Guthaben leer"}, "holds no answer at all"),
        ({"choices": []}, "holds no answer at all"),
    ],
)
def test_words_that_nobody_knows_refuse_no_row_for_good(draw, body, said):
    with LoopbackServer(act_for=lambda asked: Act(body=body)) as server:
        with pytest.raises(StepFailed, match=said):
            draw(server, prompts(1))
        server.act_for = None
        assert draw(server, prompts(1)).failed == 0


def test_credit_held_for_what_runs_at_once_is_found_by_running_less(draw):
    server = LoopbackServer(latency=0.02)
    server.act_for = lambda asked: NO_CREDIT if server.in_flight > WIDTH // 2 + 1 else None
    with server:
        summary = draw(server, prompts(60))
    assert summary.failed == 0
    assert server.peak > WIDTH // 2


def test_credit_that_is_gone_stops_the_run_after_one_confirmation(draw):
    with LoopbackServer(act_for=lambda asked: NO_CREDIT, latency=0.02) as server:
        with pytest.raises(FatalAnswer, match="top up, or let fewer requests run at once"):
            draw(server, prompts(200))
        assert server.requests <= 2 * WIDTH


def test_a_wrong_field_of_every_request_stops_the_run_at_its_first_answer(draw):
    with LoopbackServer(refuses=("quality",), latency=0.02) as server:
        with pytest.raises(FatalAnswer, match=r"'quality'.*extra_body"):
            draw(server, prompts(200), extra_body={"quality": "huge"})
        assert server.requests <= WIDTH


def test_the_ambiguous_is_asked_once_more_and_counted(draw):
    with LoopbackServer(acts=[LOST]) as server:
        summary = draw(server, ["a"])
    assert (summary.failed, summary.requests, summary.maybe_paid, server.requests) == (0, 2, 1, 2)
    assert "1 may have been paid without an answer" in str(summary)


@pytest.mark.parametrize("serving", [APIVLMServing_openai, APIImageGenServing])
@pytest.mark.parametrize("wanted", ["retry", "skip", "fail"])
def test_a_choice_about_the_ambiguous_is_refused(serving, wanted):
    with pytest.raises(ConfigError, match=rf"on_ambiguous='{wanted}': leave it out.*once more"):
        serving("http://localhost:1", model_name="nano", on_ambiguous=wanted)
    assert "on_ambiguous" not in inspect.signature(serving).parameters


def test_the_line_of_a_failed_row_says_class_reason_attempts_and_the_providers_words(draw):
    act = Act(body={"choices": [{"message": {"content": "I cannot draw."}, "finish_reason": "stop"}]})
    with LoopbackServer(act_for=lambda asked: act if asked.prompt == "p1" else None) as server:
        assert draw(server, prompts(3)).failed == 1
        for _ in range(2):  # as it happens, and as the journal tells it
            (line,) = read_rows(draw.step.errors)
            assert (line["class"], line["attempts"], line["said"]) == ("refused", 3, "I cannot draw.")
            assert line["reason"].startswith("nano answered without what was asked for")
            draw(server, prompts(3))
        assert server.requests == 5


def test_a_picture_that_cannot_be_downloaded_is_not_paid_again_for_that(draw):
    served = LoopbackServer(shape="url")
    with served:
        assert draw(served, ["a"]).failed == 0
    with LoopbackServer() as server:
        missing = f"http://127.0.0.1:{server.port}/picture/gone"
        message = {"content": "", "images": [{"type": "image_url", "image_url": {"url": missing}}]}
        gone = {"choices": [{"message": message, "finish_reason": "stop"}]}
        server.act_for = lambda asked: Act(body=gone)
        with pytest.raises(StepFailed):
            draw(server, ["b"])
        assert (server.requests, len(server.fetched)) == (1, 3)
    (line,) = read_rows(draw.step.errors)
    assert (line["class"], line["attempts"], line["maybe_paid"]) == ("retry", 1, True)
    assert "could not be fetched" in line["reason"]


def test_a_download_that_works_the_second_time_costs_nothing_more(draw):
    with LoopbackServer(shape="url") as server:
        server.fetch_failures = 1
        summary = draw(server, ["a"])
        assert (summary.failed, server.requests, len(server.fetched)) == (0, 1, 2)


def links_to(server):
    """Answers that name a picture at another server."""
    return lambda asked: Act(
        body=shapes.whole("markdown", [], f"![x]({server.publish(draw_png(mark_of(asked.prompt)))})")
    )


def test_links_that_are_not_fetched_stop_the_run_and_are_fetched_once_their_host_is_named(draw):
    with LoopbackServer() as pictures, LoopbackServer(act_for=links_to(pictures), latency=0.02) as server:
        host = f"127.0.0.1:{pictures.port}"
        with pytest.raises(FatalAnswer, match=rf'paid answers in a row without a picture.*picture_hosts=\["{host}"\]'):
            draw(server, prompts(100))
        paid = server.requests
        assert 2 <= paid <= 2 * WIDTH
        assert pictures.fetched == []
        summary = draw(server, prompts(20), picture_hosts=[host])
        assert (summary.failed, server.requests) == (0, paid + 20)
        assert all("authorization" not in headers for headers in pictures.fetched)


def test_pictures_that_are_gone_from_a_server_stop_the_run(draw):
    gone = Act(body=shapes.whole("markdown", [], "![x](/picture/gone)"))
    with LoopbackServer(act_for=lambda asked: gone, latency=0.02) as server:
        with pytest.raises(FatalAnswer, match=r"5 paid answers in a row without a picture: .* could not be fetched"):
            draw(server, prompts(100))
        assert server.requests <= 3 * WIDTH


class Impatient(APIVLMServing_openai):
    """Waits a hundredth of what is usual."""

    retry = RetryPolicy(retries=8, base=0.01)


def test_every_row_ends_as_its_picture_or_with_a_reason_and_every_request_is_accounted_for(tmp_path):
    rows = 200
    with LoopbackServer(act_for=Faults(), size=(24, 24), remember=False) as server:
        serving = Impatient(
            server.url, model_name="nano", image_io=ImageIO(str(tmp_path / "made")), send_request_stream=True
        )
        outcome = draw_rows(tmp_path, serving, rows)
        faults = server.act_for.injected
    assert set(faults) == set(ACTS)
    assert outcome.pictures + outcome.given_up.total() == rows
    assert server.requests == outcome.summary.requests == rows + faults.total() - outcome.given_up.total()
    assert outcome.summary.maybe_paid == faults["reset"] + faults["truncated"]

"""What a step costs over a real server that charges: every format, refusals, retries and broken replies."""

import base64
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson
import pytest

from dataflow.core.records import JSON
from dataflow.core.retry import RetryPolicy
from dataflow.errors import ConfigError, MaxCostReached
from dataflow.flow.summary import Summary
from dataflow.io import ImageIO
from dataflow.money.usage import read_used
from dataflow.operators.core_vision import PromptedImageGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.dialects.reply import read_usage
from dataflow.utils.storage import FileStorage
from tests.kit.billing import Bill
from tests.kit.drawing import draw as draw_picture
from tests.kit.drawing import mark_of
from tests.kit.flow import Ask, flat, prompts_storage, write_rows
from tests.kit.loopback import Act, Asked, LoopbackServer

PRICES = {"nano": {"input": 0.3, "output": 30.0, "most_input": 1000, "most_output": 1400}}
USAGE = {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27}
REFUSAL = Act(body={"choices": [{"message": {"content": "no"}, "finish_reason": "content_filter"}], "usage": USAGE})
TEXT_ONLY = Act(body={"choices": [{"message": {"content": "hm"}, "finish_reason": "stop"}], "usage": USAGE})


def draw(folder: Path, server: LoopbackServer, rows: int, **options: object) -> Summary:
    source = write_rows(folder / "rows.jsonl", [{"prompt": f"p{n}"} for n in range(rows)])
    settings = {name: options.pop(name) for name in ("max_cost", "prices", "cache_type") if name in options}
    storage = FileStorage(source, folder / "cache", **{"prices": PRICES, **settings})  # type: ignore[arg-type]
    images = ImageIO(str(folder / "made"))
    serving = APIVLMServing_openai(server.url, model_name="nano", image_io=images, **options)  # type: ignore[arg-type]
    serving.retry = RetryPolicy(retries=4, base=0.01)
    operator = PromptedImageGenerator(serving)
    return operator.run(storage.step(), input_conversation_key="prompt", output_image_key="made")


def charged(server: LoopbackServer) -> float:
    assert server.bill is not None
    return float(server.bill.total())


@pytest.mark.parametrize("stream", [False, True])
def test_the_summary_is_the_servers_bill(tmp_path: Path, stream: bool) -> None:
    acts = [REFUSAL, Act(503), TEXT_ONLY, Act(429, headers={"retry-after-ms": "1"}), TEXT_ONLY]
    with LoopbackServer(acts=acts, bill=Bill("0.3", "30")) as server:
        summary = draw(tmp_path, server, 12, send_request_stream=stream)
        assert summary.cost == summary.spent == charged(server)
        assert (summary.failed, summary.accepted, summary.unsure) == (1, 11, 0.0)
        again = draw(tmp_path, server, 14, send_request_stream=stream)
        assert again.spent == charged(server)
        assert again.cost == pytest.approx(again.spent - summary.spent)
    assert again.cost_per_image == again.spent / 13
    meta = orjson.loads((tmp_path / "cache/dataflow_cache_step_step1.meta.json").read_bytes())
    assert (meta["cost"]["directory"], meta["cost"]["accepted_pictures"]) == (again.spent, 13)


def test_pictures_that_are_charged_each(tmp_path: Path) -> None:
    with LoopbackServer(acts=[REFUSAL], bill=Bill(image="0.04")) as server:
        summary = draw(tmp_path, server, 10, prices={"nano": {"image": 0.04}})
        assert summary.spent == charged(server) == 0.36


def test_the_images_api_tells_tokens_too(tmp_path: Path) -> None:
    prices = {"nano": {"output": 8.0, "most_output": 2000, "image_output": 8.0}}
    with LoopbackServer(bill=Bill(output="8")) as server:
        summary = draw(tmp_path, server, 4, api_format="images", prices=prices, max_cost=1.0)
        assert summary.spent == charged(server) == 4 * 1290 * 8 / 1e6


class OwnKey(Bill):
    """A gateway that charges its fee, while the user's own provider bills the rest."""

    def usage(self, prompt: str, sent: int, made: int) -> dict[str, Any]:
        details = {"upstream_inference_cost": 0.03873}
        return {**super().usage(prompt, sent, made), "cost": 0, "is_byok": True, "cost_details": details}


@pytest.mark.parametrize("stream", [False, True])
def test_the_limit_holds_with_a_provider_key_of_ones_own(tmp_path: Path, stream: bool) -> None:
    with LoopbackServer(bill=OwnKey()) as server:
        with pytest.raises(MaxCostReached):
            draw(tmp_path, server, 30, max_cost=0.6, send_request_stream=stream)
        assert 0.5 < server.requests * 0.03873 <= 0.6
        summary = draw(tmp_path, server, 30, max_cost=2, send_request_stream=stream)
        assert summary.spent == pytest.approx(30 * 0.03873)


class Silent(Bill):
    """A gateway that passes no usage on."""

    def usage(self, prompt: str, sent: int, made: int) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("options", [{}, {"send_request_stream": True}, {"api_format": "images"}])
def test_a_reply_without_usage_costs_what_a_usual_picture_does(tmp_path: Path, options: dict[str, Any]) -> None:
    def without_usage(asked: Asked) -> Act | None:
        picture = draw_picture("png", mark_of(asked.prompt, ()), 32, 32)
        body = {"data": [{"b64_json": base64.b64encode(picture).decode()}]}
        return Act(body=body) if asked.path.startswith("/v1/images/") else None

    prices = {"nano": {**PRICES["nano"], "about_image": 0.039}}
    with LoopbackServer(bill=Silent(), act_for=without_usage) as server:
        summary = draw(tmp_path, server, 60, prices=prices, max_cost=5, **options)
    assert (summary.failed, summary.unsure, summary.untold) == (0, 0.0, 0)
    assert summary.spent == summary.estimated == pytest.approx(2.34)
    assert summary.cost_per_image == pytest.approx(0.039)
    said = "2.34 USD spent, 2.34 USD estimated, since replies counted no tokens, 0.0390 USD per picture"
    assert said in flat(summary)


def test_a_reply_without_usage_of_a_model_without_usual_picture_has_no_price_per_picture(tmp_path: Path) -> None:
    with LoopbackServer(bill=Silent()) as server:
        summary = draw(tmp_path, server, 3)
    assert (summary.spent, summary.untold, summary.cost_per_image) == (0.0, 3, None)
    assert "3 attempts of unknown cost" in flat(summary)
    assert "per picture" not in flat(summary)


def test_what_a_broken_reply_may_have_cost_counts_towards_the_limit(tmp_path: Path) -> None:
    with LoopbackServer(act_for=lambda asked: Act(cut=100, clean=True), bill=Bill("0.3", "30")) as server:
        with pytest.raises(MaxCostReached, match="by requests of unknown cost"):
            draw(tmp_path, server, 60, max_cost=0.5)
        assert 0.3 < charged(server) <= 0.5


def test_the_limit_holds_over_many_workers_against_the_servers_bill(tmp_path: Path) -> None:
    with LoopbackServer(latency=0.02, bill=Bill("0.3", "30")) as server:
        with pytest.raises(MaxCostReached):
            draw(tmp_path, server, 100, max_cost=1.0, max_workers=32)
        assert server.bill is not None
        assert Fraction("0.95") < server.bill.total() <= 1


def test_a_model_without_price_is_refused_before_a_request(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        with pytest.raises(ConfigError, match="price of 'nano'"):
            draw(tmp_path, server, 3, max_cost=1.0, prices=None)
        assert server.requests == 0


@pytest.mark.parametrize(
    ("list_name", "count"), [("candidatesTokensDetails", "tokenCount"), ("candidates_tokens_details", "token_count")]
)
def test_googles_lists_of_modalities_tell_pictures_apart(list_name: str, count: str) -> None:
    text, image = {"modality": "TEXT", count: 20}, {"modality": "IMAGE", count: 1290}
    details: list[Any] = [text, image, "odd", {"modality": "AUDIO"}]
    used = read_used(read_usage({"promptTokenCount": 5, "candidatesTokenCount": 1310, list_name: details}))
    assert (used.input, used.output, used.image_output) == (5, 1310, 1290)


@pytest.mark.parametrize("api_format", ["chat", "images"])
def test_pictures_that_nobody_asked_for_are_charged_and_told_of(
    tmp_path: Path, api_format: str, caplog: pytest.LogCaptureFixture
) -> None:
    with LoopbackServer(count=3, bill=Bill(image="0.1")) as server:
        with pytest.raises(MaxCostReached, match=r"0\.30"):
            draw(
                tmp_path, server, 4, prices={"nano": {"image": 0.1}}, max_cost=0.4, api_format=api_format, max_workers=1
            )
        assert (server.requests, charged(server)) == (1, pytest.approx(0.3))
    assert "cost 0.3000 USD, which is more than its bounds in the price table allow (0.1000 USD)" in caplog.text


@pytest.mark.parametrize(
    ("extra", "usage"),
    [
        ({"n": 4}, lambda body: {"prompt_tokens": 2, "completion_tokens": 4 * 1000}),
        ({"tools": ["x" * 20_000]}, lambda body: {"prompt_tokens": len(body) // 4, "completion_tokens": 5}),
    ],
)
def test_the_limit_holds_for_several_texts_and_long_fields_of_the_users_own(
    tmp_path: Path, extra: dict[str, JSON], usage: Callable[[bytes], dict[str, int]]
) -> None:
    paid = Counter[str]()

    def act(asked: Asked) -> Act:
        used = usage(orjson.dumps(asked.body))
        paid["tokens"] += sum(used.values())
        choices = [{"index": k, "message": {"content": "hello"}, "finish_reason": "stop"} for k in range(4)]
        return Act(body={"choices": choices, "usage": used})

    prices = {"m": {"input": 1.0, "output": 1.0, "most_input": 10**6, "most_output": 1000}}
    with LoopbackServer(act_for=act, latency=0.02) as server:
        storage = prompts_storage(tmp_path, [f"p{n}" for n in range(16)], prices=prices, max_cost=0.03)
        serving = APIVLMServing_openai(
            server.url, model_name="m", api_format="chat", max_workers=8, max_tokens=1000, extra_body=extra
        )
        with suppress(MaxCostReached):
            Ask(serving).run(storage.step())
    assert 0 < paid["tokens"] / 1e6 <= 0.03

"""Every recorded reply, served by a real server and asked for by the real serving; see replies/README.md."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from dataflow.core.records import Answer, Request
from dataflow.errors import KEEP
from dataflow.io import ImageIO
from dataflow.serving.api.failures.attempts import Attempt, Target, attempt_of, read_error
from dataflow.serving.api.failures.catalogue import RULES
from dataflow.serving.api.failures.classify import rule_of
from dataflow.serving.api.failures.rule import Rule
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.dialects import DIALECTS
from tests.kit.asking import ask_each_once
from tests.kit.drawing import draw_png, mark_of, read_mark
from tests.kit.loopback import Act, LoopbackServer
from tests.kit.recorded import Recorded, act_of, mark, recorded

ALL = recorded()
LATER = [each for each in ALL if each.later is not None]
NOT_RECORDED = ("no_file", "unconnected", "unsent", "lost")  # no server answers: test_endpoint.py
FAILURE = {"wait": 0.0, "keep": KEEP, "retries": None, "refuse_after": False, "outage": False, "maybe_paid": False}


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(remember=False) as running:
        yield running


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DF_API_KEY", "sk-of-this-test")


def ask(recorded: Recorded, server: LoopbackServer, folder: Path, *, after_good: bool) -> Answer:
    wanted = recorded.ask
    paths = []
    for number in range(wanted["images"]):
        paths.append(str(folder / f"in{number}.png"))
        Path(paths[-1]).write_bytes(draw_png(mark_of(f"in {number}")))
    serving = APIVLMServing_openai(
        server.url,
        model_name="nano",
        image_io=None if wanted["makes"] == "text" else ImageIO(str(folder / "made")),
        api_format=wanted["api_format"],
        send_request_stream=wanted["stream"],
        **wanted["options"],
    )
    server.acts = [Act()] * after_good + [act_of(recorded.reply, server)]
    requests = [Request("draw", tuple(paths), wanted["makes"])] * (1 + after_good)
    *before, answer = ask_each_once(serving, requests)
    assert [each.error for each in before] == [None] * after_good
    assert server.acts == []
    return answer


def check(answer: Answer, expected: Mapping[str, Any], *, makes: str) -> None:
    error = answer.error
    if expected["class"] == "Answer":
        assert error is None
        pictures = expected.get("pictures", int(makes == "image"))
        marks = [read_mark(picture.path) for picture in answer.pictures]
        if all(picture.path.endswith(".png") for picture in answer.pictures):
            assert marks == [mark(number) for number in range(1, pictures + 1)]
        assert len(marks) == pictures
        assert answer.text == expected.get("text", answer.text)
        return
    assert error is not None
    assert (error.kind, answer.pictures, error.unconfirmed) == (expected["class"], (), "")
    for name, usual in FAILURE.items():
        if error.transient or name in ("maybe_paid", "outage"):
            assert getattr(error, name) == pytest.approx(expected.get(name, usual)), name
        else:
            assert name not in expected
    assert expected.get("says", "") in error.reason
    assert expected.get("said", "") in error.said


@pytest.mark.parametrize("recorded", ALL, ids=[each.name for each in ALL])
def test_a_recorded_reply_is_understood(recorded: Recorded, server: LoopbackServer, tmp_path: Path) -> None:
    check(ask(recorded, server, tmp_path, after_good=False), recorded.expect, makes=recorded.ask["makes"])


@pytest.mark.parametrize("recorded", LATER, ids=[each.name for each in LATER])
def test_after_a_good_answer_it_is_taken_as_told(recorded: Recorded, server: LoopbackServer, tmp_path: Path) -> None:
    assert recorded.later is not None
    check(ask(recorded, server, tmp_path, after_good=True), recorded.later, makes=recorded.ask["makes"])


def test_every_line_of_the_catalogue_has_a_recording(server: LoopbackServer) -> None:
    met = {rule_met(each, server) for each in ALL}
    unmet = [rule.reason for rule in RULES if rule not in met and rule.ending not in NOT_RECORDED]
    assert unmet == []


def rule_met(recorded: Recorded, server: LoopbackServer) -> Rule | None:
    """The line of the catalogue that this reply is judged by; None for an answer."""
    act = act_of(recorded.reply, server)
    assert isinstance(act.body, bytes | dict | list)
    body = act.body if isinstance(act.body, bytes) else orjson.dumps(act.body)
    paths = {"images": "/images/edits", "gemini": "/models/nano:generateContent", "responses": "/responses"}
    path = paths.get(recorded.ask["api_format"], "/chat/completions")
    asked = Target(
        server.url, path, "nano", "DF_API_KEY", fields=frozenset(recorded.ask["options"].get("extra_body", ()))
    )
    headers = {name.lower(): value for name, value in act.headers.items()}
    attempt = Attempt("status", act.status, headers, body)
    if act.status == 200:
        reply = DIALECTS[recorded.ask["api_format"]].decode(body[: act.cut])
        if reply.images and recorded.expect["class"] == "Answer":
            return None
        attempt = attempt_of(reply, Attempt("answered", 200, headers, body))
    return rule_of(attempt, asked, read_error(bytes(attempt.body)))

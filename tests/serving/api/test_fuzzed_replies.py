"""Damaged replies: no crash, no wrong kind of failure, no picture that is none."""

import asyncio
import hashlib
import random
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from dataflow.core.records import Answer, Job, Request
from dataflow.errors import AnswerError, Failure
from dataflow.io import ImageIO
from dataflow.serving.api.failures.attempts import Attempt, Target, attempt_of
from dataflow.serving.api.failures.classify import classify
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.dialects import DIALECTS
from tests.kit.asking import ID
from tests.kit.fuzz import HARMLESS, Case, make_case
from tests.kit.loopback import Act, LoopbackServer

TARGET = Target("http://127.0.0.1/v1", "/chat/completions", "nano", "DF_API_KEY")


def become(case: Case, image_io: ImageIO) -> Answer | Failure:
    """What a serving makes of this reply, without the way it came."""
    reply = DIALECTS[case.format].decode(case.body)
    held = [each for each in reply.images if isinstance(each, bytes)]
    if len(held) < len(reply.images):  # whether a name is an address, the fetcher decides
        return Answer()
    if not held:
        return classify(attempt_of(reply, Attempt("answered", 200, {}, case.body)), TARGET)
    try:
        return Answer(pictures=image_io.save(ID, held))
    except AnswerError as error:
        return error.failure


def check(case: Case, outcome: Answer | Failure) -> None:
    """That the case became one of the things it may become.

    Raises:
        AssertionError: it did not; its message shows the case.
    """
    shown = f"{case.how} became {outcome!r}: {case.body[:3000]!r}"
    assert (outcome.kind if isinstance(outcome, Failure) else "") in case.allowed, shown
    if case.is_cut and isinstance(outcome, Failure):
        assert outcome.maybe_paid or not case.body, shown
    if not isinstance(outcome, Answer):
        return
    sums = [hashlib.sha256(picture).hexdigest() for picture in case.pictures]
    if case.is_cut:
        made = [picture.sha256 for picture in outcome.pictures]  # all that came, or of a serving the last
        assert made, shown
        assert any(sums[at : at + len(made)] == made for at in range(len(sums))), shown
    for picture in outcome.pictures:
        with Image.open(picture.path) as image:
            image.load()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rng=st.randoms(use_true_random=False))
def test_whatever_a_reply_holds_it_becomes_what_it_may(rng, tmp_path):
    case = make_case(rng)
    check(case, become(case, ImageIO(save_path=tmp_path)))


def test_damaged_replies_over_a_real_connection_are_pictures_or_are_asked_again(tmp_path):
    rng = random.Random(6)
    cases = [case for case in (make_case(rng) for _ in range(250)) if case.allowed == HARMLESS]
    outcomes = asyncio.run(ask_over_http(cases, tmp_path))
    for case, outcome in zip(cases, outcomes, strict=True):
        check(case, outcome.error or outcome)
    assert {outcome.error.kind if outcome.error else "" for outcome in outcomes} == HARMLESS


async def ask_over_http(cases: list[Case], folder: Path) -> list[Answer]:
    """Every case through the real serving, in order; a good answer first proves the address."""
    outcomes: dict[int, Answer] = {}
    with LoopbackServer(remember=False) as server:
        for api_format in {case.format for case in cases}:
            serving = APIVLMServing_openai(
                server.url, model_name="nano", api_format=api_format, image_io=ImageIO(str(folder))
            )
            serving.prepare()
            await serving.setup()
            mine = [(k, case) for k, case in enumerate(cases) if case.format == api_format]
            server.acts = [Act(), *(Act(body=case.body) for _, case in mine)]
            assert (await serving.call([Job(ID, Request("x"))]))[0].error is None
            for k, _ in mine:
                (outcomes[k],) = await serving.call([Job(f"{k:032x}", Request("x"))])
            await serving.close()
    return [outcomes[k] for k in range(len(cases))]

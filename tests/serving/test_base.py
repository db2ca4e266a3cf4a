import asyncio
from typing import Any

import pandas
import pytest

from dataflow.core.records import Answer
from dataflow.core.retry import RetryPolicy
from dataflow.core.worker import Limits
from dataflow.errors import AnswerError, ConfigError, Failure, FatalAnswer, RowError
from dataflow.io import ImageIO
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.base import ServingABC
from tests.kit.drawing import draw_png, mark_of, read_mark
from tests.kit.failing import fails
from tests.kit.loopback import Act, LoopbackServer


def test_one_at_the_prompt(tmp_path):
    (tmp_path / "cat.png").write_bytes(draw_png(mark_of("cat")))
    with LoopbackServer() as server:
        serving = APIVLMServing_openai(server.url, model_name="nano", image_io=ImageIO(save_path=tmp_path / "made"))
        answer = serving.generate("make it red", images=[tmp_path / "cat.png"])
        with pytest.raises(RowError, match="dog"):
            serving.generate("make it red", images=[tmp_path / "dog.png"])
        alone = serving.generate("make it blue", images=str(tmp_path / "cat.png"))
    assert answer.cost is None, "a step reckons; here nobody knows"
    assert read_mark(answer.pictures[0].path) == mark_of("make it red", [draw_png(mark_of("cat"))])
    assert read_mark(alone.pictures[0].path) == mark_of("make it blue", [draw_png(mark_of("cat"))])


def test_a_passing_failure_at_the_prompt_is_asked_again(tmp_path):
    acts = [Act(429, {}, {"retry-after-ms": "20"}), Act(500, "oops")]
    with LoopbackServer(acts=acts) as server:
        serving = APIVLMServing_openai(server.url, model_name="nano", image_io=ImageIO(save_path=tmp_path))
        serving.retry = RetryPolicy(base=0.01)
        assert serving.generate("a red cat").pictures
    assert server.requests == 3


def test_a_picture_in_place_of_words_is_paid_once_and_its_reason_says_what_to_set(tmp_path):
    picture = tmp_path / "cat.png"
    picture.write_bytes(draw_png(mark_of("cat")))
    with LoopbackServer(text="") as server:
        writer = APIVLMServing_openai(server.url, model_name="nano")
        with pytest.raises(AnswerError, match=r"nano answered with a picture .*: give the serving image_io"):
            writer.generate("Edit", images=[picture])
        painter = APIVLMServing_openai(server.url, model_name="nano", image_io=ImageIO(save_path=tmp_path / "made"))
        with pytest.raises(AnswerError, match=r"where words were asked for: ask for pictures, as generate\("):
            painter.generate_from_input(["Draw a cat"])
        assert server.requests == 2
        with pytest.raises(AnswerError, match="pictures need a place: give the serving image_io"):
            writer.generate("Edit", images=[picture], makes="image")
    assert server.requests == 2


def test_texts_to_texts_in_order():
    with LoopbackServer(count=0, text="Yes.") as server:
        serving = APIVLMServing_openai(server.url, model_name="gpt-4o")
        assert serving.generate_from_input([f"q{k}" for k in range(20)], "Be brief.") == ["Yes."] * 20
        assert serving.generate("q").text == "Yes."
    assert server.prompts == {f"q{k}": 1 for k in range(20)} | {"q": 1}
    assert server.asked[0].body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_one_prompt_is_not_asked_letter_by_letter():
    with LoopbackServer() as server:
        serving = APIVLMServing_openai(server.url, model_name="gpt-4o")
        with pytest.raises(ConfigError, match="user_inputs='hello' is a text: give a list"):
            serving.generate_from_input("hello")
    assert server.requests == 0


def test_a_text_that_failed_is_named_after_all_were_asked():
    blocked = Act(400, {"error": {"code": "moderation_blocked"}})
    with LoopbackServer(
        count=0, text="Yes.", act_for=lambda asked: blocked if asked.prompt == "q1" else None
    ) as server:
        serving = APIVLMServing_openai(server.url, model_name="gpt-4o")
        with fails("refused", match=r"user_inputs\[1\]: ") as caught:
            serving.generate_from_input(["q0", "q1", "q2"])
    assert caught.value.failure.attempts == 1
    assert caught.value.texts == ["Yes.", None, "Yes."]
    assert str(caught.value).endswith("; 2 of 3 prompts answered: see `texts` of this error")
    assert server.requests == 3


class Slow(ServingABC):
    """Out of credit at once for one prompt, while the others are on their way."""

    makes = "text"
    limits = Limits(width=8)

    def fingerprint(self):
        return {}

    async def call(self, batch):
        (job,) = batch
        if job.request.prompt == "q2":
            return [Answer(error=Failure("fatal", "out of credit"))]
        await asyncio.sleep(0.2)
        return [Answer(text=f"to {job.request.prompt}")]


def test_texts_in_flight_when_the_account_is_empty_are_waited_for_and_kept():
    with pytest.raises(FatalAnswer, match="out of credit") as caught:
        Slow().generate_from_input([f"q{k}" for k in range(20)])
    assert caught.value.texts[:4] == ["to q0", "to q1", None, "to q3"]
    assert [text is not None for text in caught.value.texts].count(True) == 7


def test_a_bug_of_a_worker_is_raised_as_it_is():
    class Broken(Slow):
        async def call(self, batch):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Broken().generate_from_input(["q"])


def test_a_column_of_a_table_may_be_asked():
    column: Any = pandas.Series(["q0", "q1"])
    assert Slow().generate_from_input(column) == ["to q0", "to q1"]

"""What an address wants otherwise than its format says, learnt from what it refuses."""

import json
from dataclasses import replace

import pytest

from dataflow.core.records import Job, Request
from dataflow.serving.api.failures.attempts import Attempt, Target
from dataflow.serving.api.quirks import Quirks
from dataflow.serving.dialects.reply import Post
from tests.kit import engines
from tests.kit.asking import ask_each_once
from tests.kit.engines import EngineServer
from tests.kit.flow import draw
from tests.kit.own_servers import edit, photo, serve

__all__ = ["photo", "serve"]


def test_the_seed_of_a_dynamo_that_describes_nothing_goes_where_its_refusal_says(serve, photo):
    with EngineServer(replace(engines.DYNAMO, title="")) as server:
        serving = serve(server, api_format="images")
        answers = ask_each_once(serving, [Request(text, (photo,), seed=7) for text in "ab"])
        assert [answer.error for answer in answers] == [None, None]
        assert ([drawn.seed for drawn in server.drawn], server.requests) == ([7, 7], 3)


def test_a_dynamo_that_takes_no_such_object_is_asked_without_and_that_is_told(serve, photo, caplog):
    with EngineServer(engines.DYNAMO) as server:
        server.acts = [engines.refusal(400, "unknown field `nvext`, expected one of `prompt`, `model`")]
        edit(serve(server), photo, seed=7)
        assert [sorted(asked.body) for asked in server.asked][1] == ["model", "prompt", "response_format", "size"]
    assert "nvext left out, so that the further edits of this run are drawn without guidance" in caplog.text


def test_several_inputs_go_under_the_name_that_a_gateway_knows(serve, photo, tmp_path):
    other = str(draw(tmp_path / "other.png", "blue"))
    with EngineServer(engines.PLAIN) as server:
        answers = ask_each_once(serve(server, api_format="images"), [Request(text, (photo, other)) for text in "ab"])
        assert [answer.error for answer in answers] == [None, None]
        assert [asked.image_fields for asked in server.asked] == [("image[]",) * 2, ("image",) * 2, ("image",) * 2]


def test_a_refusal_of_both_names_is_the_rows_own(serve, photo, tmp_path):
    other = str(draw(tmp_path / "other.png", "blue"))
    with EngineServer(engines.PLAIN) as server:
        server.act_for = lambda asked: engines.refusal(400, "'image' is unreadable")
        answers = ask_each_once(serve(server, api_format="images"), [Request(text, (photo, other)) for text in "ab"])
        assert all("unreadable" in answer.error.reason for answer in answers)
        assert [asked.image_fields[0] for asked in server.asked] == ["image[]", "image", "image[]"]


@pytest.mark.parametrize(
    "words",
    [
        "the image is too dark",
        "Your request was rejected by the safety system: the 'image' shows what is not allowed. Plant a seed instead.",
    ],
)
def test_a_refusal_that_speaks_of_the_picture_or_of_a_policy_teaches_no_quirk(words, serve, photo, tmp_path):
    other = str(draw(tmp_path / "other.png", "blue"))
    with EngineServer(engines.PLAIN) as server:
        server.act_for = lambda asked: engines.refusal(400, words)
        serving = serve(server, api_format="images")
        ask_each_once(serving, [Request(text, (photo, other), seed=7) for text in "ab"])
        assert [asked.image_fields[0] for asked in server.asked] == ["image[]"] * 2


def test_a_refusal_that_quotes_the_request_costs_the_further_edits_nothing(serve, photo):
    with EngineServer(engines.VLLM_OMNI) as server:

        def quote(asked):
            server.act_for = None
            return engines.refusal(400, f"unknown color space of the picture in {json.dumps(asked.body)}")

        server.act_for = quote
        first, second = ask_each_once(serve(server), [Request(text, (photo,), seed=7) for text in "ab"])
        assert "unknown color space" in first.error.reason
        assert (second.error, server.requests, server.drawn[0].cfg, server.drawn[0].seed) == (None, 2, 4.0, 7)


def test_a_refusal_that_costs_the_further_edits_their_guidance_is_told(serve, photo, caplog):
    with EngineServer(engines.VLLM_OMNI) as server:
        server.acts = [engines.refusal(422, "Unsupported field 'true_cfg_scale'")]
        edit(serve(server), photo)
    assert "true_cfg_scale left out, so that the further edits of this run are drawn without guidance" in caplog.text


TARGET = Target("http://h/v1", "/images/edits", "m", "DF_API_KEY")
JOB = Job("ab" * 16, Request("x"))


def learn(quirks, words, extras=(), *, files=("image[]", "image[]"), status=400):
    post = Post("/images/edits", files=tuple((name, "a.png", b"x", "image/png") for name in files))
    received = Attempt("answered" if status == 200 else "status", status, body=words.encode())
    learnt = quirks.learn(received, dict.fromkeys(extras, 1), post, JOB, target=TARGET)
    return learnt, [file[0] for file in quirks.adapt_post(post).files]


def test_only_fields_that_were_added_are_left_out():
    quirks = Quirks()
    assert learn(quirks, "Unknown parameter: 'prompt'.", ["response_format"])[0] == ""
    assert learn(quirks, "Unknown parameter: 'response_format'.", ["response_format"])[0] == "response_format left out"
    assert quirks.refused == {"response_format"}


def test_a_field_name_is_tried_once_and_settled_by_an_answer():
    quirks = Quirks()
    assert learn(quirks, "field `image` is required")[0] == "image[] goes as image"
    assert learn(quirks, "", status=200) == ("", ["image", "image"])
    assert learn(quirks, "field `image` is required") == ("", ["image", "image"])
    assert learn(Quirks(), "field `image` is required", files=("image",)) == ("", ["image"])


def test_an_engine_that_takes_its_seed_in_an_object_gets_it_there_from_the_start():
    quirks = Quirks("nvext")
    job = Job("ab" * 16, Request("x", seed=7))
    assert quirks.adapt_job(job).request.seed is None
    assert quirks.adapt_extras({"nvext": {"guidance_scale": 4.0}}, job) == {"nvext": {"guidance_scale": 4.0, "seed": 7}}
    text = Job("ab" * 16, Request("x", makes="text", seed=7))
    assert (quirks.adapt_job(text), quirks.adapt_extras({}, text)) == (text, {})

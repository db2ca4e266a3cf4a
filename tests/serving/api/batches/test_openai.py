"""Batches of OpenAI's form: lines, and the JSON form of an edit."""

from pathlib import Path

import orjson
import pytest

from dataflow.io import ImageIO
from dataflow.serving.api.batches.contract import AnswerLine
from dataflow.serving.api.batches.openai import OpenAIBatches
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.chaos.checks import PICTURE
from tests.kit.batch_edits import QUICK, TAG
from tests.kit.drawing import mark_of, read_mark
from tests.kit.loopback_batches import BatchServer


def test_two_pictures_a_mask_and_a_size_travel_as_json(tmp_path: Path) -> None:
    mask = "data:image/png;base64,AAAA"
    serving = APIVLMServing_openai(
        "set below",
        model_name="loopback",
        image_io=ImageIO(str(tmp_path / "made")),
        api_format="images",
        batch=True,
        extra_body={"mask": mask, "quality": "low"},
    )
    serving.batch_intervals = QUICK
    with BatchServer() as server:
        object.__setattr__(serving.settings, "address", server.url)
        answer = serving.generate("Join them.", [PICTURE, PICTURE], size=(64, 32))
        (held,) = server.batches.values()
    body = held.lines[0]["body"]
    assert (held.path, body["mask"], body["quality"]) == ("/v1/images/edits", {"image_url": mask}, "low")
    assert (len(body["images"]), body["size"], body["model"]) == (2, "64x32", "loopback")
    assert read_mark(answer.pictures[0].path) == mark_of("Join them.", [PICTURE.read_bytes()] * 2)


def decoded(entry: object) -> AnswerLine | None:
    return OpenAIBatches(None).decode_line(orjson.dumps(entry))  # type: ignore[arg-type]


def test_a_line_of_the_output_or_of_the_error_file_is_read() -> None:
    body = {"data": [{"b64_json": "eA=="}]}
    good = decoded({"custom_id": TAG, "response": {"status_code": 200, "body": body}, "error": None})
    assert good is not None
    assert good.attempt is not None
    assert (good.request_id, good.attempt.ending, orjson.loads(good.attempt.body)) == (TAG, "answered", body)
    failed = decoded({"custom_id": TAG, "response": {"status_code": 400, "body": {"error": {"code": "bad"}}}})
    assert failed is not None
    assert failed.attempt is not None
    assert (failed.attempt.ending, failed.attempt.status) == ("status", 400)


@pytest.mark.parametrize("code", ["batch_expired", "batch_cancelled"])
def test_a_request_that_was_never_run_has_no_attempt(code: str) -> None:
    entry = {"custom_id": TAG, "response": None, "error": {"code": code, "message": "no"}}
    assert decoded(entry) == AnswerLine(TAG, None)

"""The first lines of a pipeline with several models name the model of each part."""

import pytest

from dataflow.scripts.parts import tell_parts
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.kit.workers import Echo


def test_each_part_has_a_line_with_its_models_short_name(capsys: pytest.CaptureFixture[str]) -> None:
    writer = APIVLMServing_openai("http://127.0.0.1:9/v1", model_name="gemini-3.5-flash")
    tell_parts({"writer": writer, "judge": Echo()})
    assert capsys.readouterr().out == "writer: gemini-3.5-flash at 127.0.0.1\njudge: Echo\n"

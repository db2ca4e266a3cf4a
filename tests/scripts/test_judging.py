"""A pipeline's drawings and edits are made once, or judged and tried again, by the judge that its flags ask for."""

from pathlib import Path

import pytest

from dataflow.demo.judge import CheckerJudge
from dataflow.errors import ConfigError
from dataflow.operators.core_vision import (
    CheckedImageGenerator,
    ImageEditAcceptLoop,
    PromptedImageEditGenerator,
    PromptedImageGenerator,
)
from dataflow.scripts.judging import Judging, make_drawer, make_editor, make_judge
from dataflow.testing import ScriptedWorker

URL = "http://127.0.0.1:9/v1"


def test_without_a_judge_each_row_is_drawn_and_edited_once(tmp_path: Path) -> None:
    worker = ScriptedWorker(save_path=tmp_path)
    assert isinstance(make_drawer(worker, "demo", None), PromptedImageGenerator)
    assert isinstance(make_editor(worker, "demo", None, repeat_times=3), PromptedImageEditGenerator)


def test_with_a_judge_it_is_tried_until_one_is_accepted(tmp_path: Path) -> None:
    worker = ScriptedWorker(save_path=tmp_path)
    assert isinstance(make_drawer(worker, "demo", Judging()), CheckedImageGenerator)
    assert isinstance(make_editor(worker, "demo", Judging()), ImageEditAcceptLoop)
    with pytest.raises(ConfigError, match="repeat_times is 3, and a judge accepts one edit of a row: give candidates"):
        make_editor(worker, "demo", Judging(), repeat_times=3)


def test_the_judge_is_where_its_address_is_else_where_the_editing_model_is() -> None:
    assert isinstance(make_judge("demo", Judging()).workers["judge"], CheckerJudge)
    looker = make_judge("demo", Judging("looker", URL)).workers["judge"]
    assert str(looker) == "looker at 127.0.0.1"
    beside = make_judge("api", Judging("looker"), api_url=URL).workers["judge"]
    assert str(beside) == "looker at 127.0.0.1"


def test_a_judge_that_is_nowhere_is_named() -> None:
    with pytest.raises(ConfigError, match="no judge: give --judge_model"):
        make_judge("local", Judging())
    with pytest.raises(ConfigError, match="no folder gpt: --judge_model of a demo is the folder"):
        make_judge("demo", Judging("gpt"))


def test_a_judges_model_is_loaded_here_unless_an_address_has_it() -> None:
    assert Judging("looker").model_here == "looker"
    assert Judging("looker", URL).model_here is None

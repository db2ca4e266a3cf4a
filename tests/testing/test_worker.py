"""A worker that answers from a script, as a user's test would have it."""

from pathlib import Path

import pytest
from PIL import Image

from dataflow.core.records import Answer, Request
from dataflow.errors import ConfigError, Failure
from dataflow.testing import ScriptedWorker
from tests.kit.asking import ask_once
from tests.kit.flow import Ask, column, prompts_storage


def test_replies_go_out_in_the_order_of_the_rows(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b", "c"])
    worker = ScriptedWorker(["first", "second", "third"])
    Ask(worker).run(storage.step())
    assert column(storage, "answer") == ["first", "second", "third"]
    assert worker.prompts == ["a", "b", "c"]


def test_a_function_looks_at_the_request(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    Ask(ScriptedWorker(lambda request: request.prompt.upper())).run(storage.step())
    assert column(storage, "answer") == ["A", "B"]


def test_a_failed_answer_fails_its_row_and_a_passing_failure_is_asked_again(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    busy, refused = Failure("retry", "busy"), Answer(error=Failure("refused", "not that"))
    worker = ScriptedWorker([busy, refused, "good"])
    summary = Ask(worker).run(storage.step())
    assert column(storage, "answer") == ["good", []]
    assert summary.reasons == {"not that": 1}
    assert worker.prompts == ["a", "b", "a"]


def test_a_script_that_is_too_short_stops_the_run_and_says_where(tmp_path: Path) -> None:
    storage = prompts_storage(tmp_path, ["a", "b"])
    with pytest.raises(AssertionError, match="no reply left for 'b'"):
        Ask(ScriptedWorker(["only one"])).run(storage.step())


def test_without_a_script_text_is_the_prompt_and_pictures_are_real(tmp_path: Path) -> None:
    worker = ScriptedWorker(save_path=tmp_path / "pictures")
    assert ask_once(worker, Request("say it", makes="text")).text == "say it"
    (wide,) = ask_once(worker, Request("draw it", size=(40, 30))).pictures
    with Image.open(wide.path) as picture:
        assert (picture.format, picture.size) == ("PNG", (40, 30))
    (square,) = ask_once(worker, Request("draw it")).pictures
    assert (square.width, square.height) == (64, 64)


def test_a_picture_without_a_folder_is_the_users_mistake() -> None:
    with pytest.raises(ConfigError, match="save_path="):
        ask_once(ScriptedWorker([b"a picture's bytes"]), Request("a cat"))


def test_a_cache_keeps_what_a_model_of_the_same_name_said(tmp_path: Path) -> None:
    for model, expected in (("one", "first"), ("one", "first"), ("two", "second")):
        storage = prompts_storage(tmp_path, ["a"])
        Ask(ScriptedWorker([expected if model == "two" else "first"], model=model)).run(storage.step())
        assert column(storage, "answer") == [expected]


def test_words_for_a_picture_or_a_picture_for_words_fail_as_they_would_at_a_serving(tmp_path: Path) -> None:
    words, picture = ScriptedWorker(["a cat"]), ScriptedWorker([b"a picture's bytes"], save_path=tmp_path)
    asked = ((words, Request("draw"), "words"), (picture, Request("say", makes="text"), "a picture"))
    for worker, request, made in asked:
        failure = ask_once(worker, request).error
        assert failure is not None
        assert failure.reason.startswith(f"the script replied with {made}")

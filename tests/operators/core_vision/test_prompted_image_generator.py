"""The guide's drawing operator: one picture per message, in order, or none of them."""

from pathlib import Path
from typing import Any

import pytest

from dataflow.core.retry import RetryPolicy
from dataflow.errors import ConfigError
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage
from tests.kit import shapes
from tests.kit.drawing import draw_png, mark_of, read_mark
from tests.kit.flow import read_rows, write_rows
from tests.kit.loopback import Act, Asked, LoopbackServer


def storage(folder: Path, *conversations: object) -> FileStorage:
    rows = write_rows(folder / "rows.jsonl", [{"input_text": each} for each in conversations])
    return FileStorage(rows, folder / "cache")


def painter(folder: Path, url: str) -> APIVLMServing_openai:
    serving = APIVLMServing_openai(url, model_name="painter", image_io=ImageIO(str(folder / "cache" / "pictures")))
    serving.retry = RetryPolicy(retries=2, base=0.01)
    return serving


def draw(generator: PromptedImageGenerator, rows: FileStorage) -> list[list[str]]:
    generator.run(rows.step(), input_conversation_key="input_text", output_image_key="input_image")
    return [row["input_image"] for row in read_rows(rows.current.target)]


def test_each_message_gets_its_picture_in_order(tmp_path: Path) -> None:
    messages = [{"content": "a cat", "role": "user"}, {"content": "好", "role": "assistant"}, "一只狗"]
    with LoopbackServer() as server:
        ((cat, dog),) = draw(PromptedImageGenerator(painter(tmp_path, server.url)), storage(tmp_path, messages))
        assert server.requests == 2
    assert (read_mark(cat), read_mark(dog)) == (mark_of("a cat"), mark_of("一只狗"))


def test_what_system_tools_and_models_say_is_not_drawn(tmp_path: Path) -> None:
    talks = [
        [
            {"role": "system", "content": "You paint."},
            {"role": "user", "content": "a kite"},
            {"from": "gpt", "value": "x"},
        ],
        [
            {"from": "system", "value": "You paint."},
            {"from": "human", "value": "a cat"},
            {"role": "tool", "content": "x"},
        ],
    ]
    with LoopbackServer() as server:
        drawn = draw(PromptedImageGenerator(painter(tmp_path, server.url)), storage(tmp_path, *talks))
        assert server.requests == 2
    assert [[read_mark(path) for path in each] for each in drawn] == [[mark_of("a kite")], [mark_of("a cat")]]


def test_a_conversation_that_was_printed_into_a_csv_is_not_drawn(tmp_path: Path) -> None:
    cells = ["input_text", "\"[{'role': 'user', 'content': 'a cat'}]\"", "a dog"]
    (tmp_path / "rows.csv").write_text("\n".join(cells), encoding="utf-8")
    rows = FileStorage(tmp_path / "rows.csv", tmp_path / "cache")
    with LoopbackServer() as server:
        first, second = draw(PromptedImageGenerator(painter(tmp_path, server.url)), rows)
        assert server.requests == 1
    assert (first, len(second)) == ([], 1)
    assert "json.dumps" in read_rows(rows.current.errors)[0]["reason"]


def test_several_pictures_of_a_message_stand_beside_each_other_and_more_can_be_asked_later(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        serving = painter(tmp_path, server.url)
        (once,) = draw(PromptedImageGenerator(serving), storage(tmp_path, ["a", "b", "a"]))
        assert len(set(once)) == 3, "the same message twice makes two pictures"
        (twice,) = draw(PromptedImageGenerator(serving, repeat_times=2), storage(tmp_path, ["a", "b", "a"]))
        assert server.requests == 6
    assert [read_mark(path) for path in twice] == [mark_of(text) for text in "aabbaa"]
    assert twice[::2] == once
    assert len(set(twice)) == 6


@pytest.mark.parametrize("shape", ["images", "markdown", "parts", "multi_mod"])
def test_the_last_picture_of_an_answer_is_the_drawing(tmp_path: Path, shape: str) -> None:
    both = [draw_png(mark_of(word)) for word in ("draft", "final")]
    with LoopbackServer(acts=[Act(body=shapes.whole(shape, both))]) as server:
        ((path,),) = draw(PromptedImageGenerator(painter(tmp_path, server.url)), storage(tmp_path, "a cat"))
    assert read_mark(path) == mark_of("final")


def test_a_row_with_one_picture_failed_is_a_failed_row_and_keeps_what_was_paid(tmp_path: Path) -> None:
    broken = True

    def act(asked: Asked) -> Act | None:
        return Act(500) if broken and asked.prompt == "dog" else None

    rows = storage(tmp_path, ["cat", "dog"], ["house"])
    with LoopbackServer(act_for=act) as server:
        generator = PromptedImageGenerator(painter(tmp_path, server.url))
        first, second = draw(generator, rows)
        assert first == []
        assert len(second) == 1
        (line,) = read_rows(rows.current.errors)
        assert (line["row"], line["class"]) == (0, "retry")
        before, broken = server.requests, False
        first, second = draw(generator, rows.reset())
        assert server.requests == before + 1
    assert [read_mark(path) for path in first] == [mark_of("cat"), mark_of("dog")]


@pytest.mark.parametrize("settings", [{}, {"t2i_serving": None}])
def test_a_missing_serving_is_named(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="t2i_serving="):
        PromptedImageGenerator(**settings)

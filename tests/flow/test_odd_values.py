"""Values that a step's file cannot hold are found before the first request; all others are carried."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.records import Request
from dataflow.errors import RowError
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.pools.executor import call_directly
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage
from dataflow.view.reasons import Reasons
from tests.kit.drawing import mark_of, read_mark
from tests.kit.flow import Ask, draw, read_rows
from tests.kit.loopback import LoopbackServer
from tests.kit.workers import Echo


def escaped(path: Path, rows: list[dict[str, Any]]) -> str:
    """Rows as `json.dumps` writes them, with an escape for half a character."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("more", [{}, {"long": 2**70}, {"score": float("nan")}], ids=str)
def test_half_a_character_that_is_not_sent_is_carried(tmp_path: Path, more: dict[str, Any]) -> None:
    rows = [{"prompt": "a"}, {"prompt": "b", "note": "cut in the middle of \ud83d", **more}, {"prompt": "c"}]
    step = FileStorage(escaped(tmp_path / "in.jsonl", rows), tmp_path / "cache").step()
    summary = Ask(Echo()).run(step)
    assert (summary.rows, summary.failed) == (3, 0)
    written = read_rows(step.target)[1]
    assert written["note"] == rows[1]["note"]
    assert written.get("long", 2**70) == 2**70


@pytest.mark.parametrize("more", [{}, {"long": 2**70}], ids=str)
def test_half_a_character_that_would_be_sent_fails_its_row_alone(tmp_path: Path, more: dict[str, Any]) -> None:
    rows = [{"prompt": "a"}, {"prompt": "make it \ud83d", **more}, {"prompt": "c"}]
    step = FileStorage(escaped(tmp_path / "in.jsonl", rows), tmp_path / "cache").step()
    worker = Echo()
    summary = Ask(worker).run(step)
    assert (worker.asked, summary.failed) == (["a", "c"], 1)
    (line,) = read_rows(step.errors)
    assert line["reason"].startswith("the text 'make it \\ud83d' ends in half a character")
    assert line["fields"] == {"prompt": "make it \ud83d"}
    (failed,) = Reasons(step.errors).read()
    assert (failed.kind, failed.reason) == ("row", line["reason"])
    assert json.loads(step.meta.read_text(encoding="utf-8"))["summary"]["reasons"] == {line["reason"]: 1}
    assert Ask(worker).run(step).requests == 0


def test_a_picture_whose_name_is_not_utf8_is_edited_and_known_again(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    picture = draw(tmp_path / "plain.png").rename(tmp_path / name)
    rows = [{"images": [name], "conversations": "make it blue"}, {"images": ["gone\udce9.png"], "conversations": "x"}]
    storage = FileStorage(escaped(tmp_path / "in.jsonl", rows), tmp_path / "cache")
    with LoopbackServer() as server:
        for _ in range(2):
            serving = APIVLMServing_openai(server.url, model_name="m", image_io=ImageIO(str(tmp_path / "made")))
            PromptedImageEditGenerator(serving).run(storage.reset().step())
        assert server.requests == 1
    first, second = read_rows(storage.current.target)
    assert read_mark(first["edited_images"][0]) == mark_of("make it blue", [picture.read_bytes()])
    assert (first["images"], second["edited_images"]) == ([str(tmp_path / name)], [])


def test_half_a_character_asked_of_a_serving_directly_is_told() -> None:
    with pytest.raises(RowError, match="half a character"):
        call_directly(Echo(), [Request("cut \ud83d", makes="text")])

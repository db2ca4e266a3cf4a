"""Instructions for photographs, by a model behind the loopback server that sees them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import ConfigError, StepFailed
from dataflow.operators.core_text import EditInstructionGenerator
from dataflow.operators.core_text.choice import Choice
from dataflow.operators.core_vision import PromptedImageGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.template_writer import TemplateWriter
from dataflow.taxonomy.draw import Draw
from dataflow.taxonomy.taxonomy import LENGTHS, Operation, shipped_taxonomy
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit import shapes
from tests.kit.flow import draw, read_rows, write_rows
from tests.kit.loopback import Act, Asked, LoopbackServer

GOOD = {
    "description": "A red wall in the sun.",
    "target": "red wall",
    "short_en": "Change the red wall.",
    "long_en": "Change the red wall to a blue one and keep the sunlight on it.",
}


def offered_to(asked: Asked) -> list[str]:
    """The kinds of edit that a prompt lists, read from the first message."""
    content = asked.body["messages"][0]["content"]
    text = content if isinstance(content, str) else content[0].get("text") or content[-1]["text"]
    return re.findall(r"^- (\w+): ", text.partition("Answer with")[0], re.MULTILINE)


class Seer:
    """Takes the first kind that is offered; the first answer to every picture is one that was not."""

    def __init__(self, *, listens: bool = True) -> None:
        self.offered: list[list[str]] = []
        self._listens = listens

    def act(self, asked: Asked) -> Act:
        again = len(asked.body["messages"]) > 1
        if not again:
            self.offered.append(offered_to(asked))
        taken = offered_to(asked)[0] if again and self._listens else "levitate"
        return Act(body=shapes.whole("images", [], json.dumps({"operation": taken, **GOOD})))


def photographs(folder: Path, count: int) -> FileStorage:
    rows: list[dict[str, Any]] = []
    for number in range(count):
        draw(folder / f"{number}.png", size=(8 + number, 6))
        rows.append({"images": [f"{number}.png"], "taken_by": number})
    return FileStorage(write_rows(folder / "rows.jsonl", rows), cache_path=folder / "cache")


def test_each_picture_gets_instructions_of_kinds_that_were_offered_for_it(tmp_path: Path) -> None:
    storage, seer = photographs(tmp_path, 6), Seer()
    with LoopbackServer(act_for=seer.act) as server:
        serving = APIVLMServing_openai(server.url, model_name="seer")
        writer = EditInstructionGenerator(serving, languages=["en"], per_image=2)
        summary = writer.run(storage.step())
        assert server.requests == 6 * 2 * 2
        assert all(len(asked.images) == 1 for asked in server.asked)
        again = writer.run(storage.reset().step())
    assert (summary.rows, summary.failed, again.requests) == (12, 0, 0)
    rows = read_rows(storage.current.target)
    assert [row["taken_by"] for row in rows] == [number for number in range(6) for _ in range(2)]
    operations = shipped_taxonomy().operations
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        assert first["sub_type"] != second["sub_type"]
        both = [each["conversations"][0]["content"] for each in (first, second)]
        assert sorted(both) == sorted([GOOD["long_en"], GOOD["short_en"]])  # the first one's length is drawn
    assert len({row["conversations"][0]["content"] for row in rows[::2]}) == 2
    for row in rows:
        assert row["edit_type"] == operations[row["sub_type"]].group
        assert row["description"] == GOOD["description"]
    assert all(len(set(each)) == 6 for each in seer.offered)
    assert all(operations[name].most_pictures == 1 for each in seer.offered for name in each)
    assert len({tuple(each) for each in seer.offered}) > 6


def test_an_instruction_that_the_provider_refuses_does_not_cost_the_others(tmp_path: Path) -> None:
    storage, seer = photographs(tmp_path, 1), Seer()

    def act(asked: Asked) -> Act:
        if len(seer.offered) == 2:
            return Act(body=shapes.whole("images", [], "", finish="content_filter"))
        return seer.act(asked)

    with LoopbackServer(act_for=act) as server:
        serving = APIVLMServing_openai(server.url, model_name="seer")
        summary = EditInstructionGenerator(serving, languages=["en"], per_image=3).run(storage.step())
    assert (summary.rows, summary.failed) == (1, 0)


def test_a_picture_for_which_nothing_will_do_is_a_failed_row(tmp_path: Path) -> None:
    storage = photographs(tmp_path, 2)
    with LoopbackServer(act_for=Seer(listens=False).act) as server:
        serving = APIVLMServing_openai(server.url, model_name="seer")
        with pytest.raises(StepFailed, match="'levitate', not one of"):
            EditInstructionGenerator(serving, languages=["en"]).run(storage.step())
        assert server.requests == 4


def test_what_has_an_instruction_already_is_kept(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    row = {"images": ["a.png"], "conversations": [{"content": "Make it blue.", "role": "user"}]}
    storage = FileStorage(write_rows(tmp_path / "rows.jsonl", [row]), cache_path=tmp_path / "cache")
    with LoopbackServer(act_for=Seer().act) as server:
        EditInstructionGenerator(APIVLMServing_openai(server.url, model_name="seer")).run(storage.step())
        assert server.requests == 0
    assert read_rows(storage.current.target) == [{**row, "images": [str(tmp_path / "a.png")]}]


def test_settings_that_cannot_be_right_are_told() -> None:
    with pytest.raises(ConfigError, match="per_image is 0"):
        EditInstructionGenerator(TemplateWriter(), per_image=0)
    with pytest.raises(ConfigError, match="'fr'"):
        EditInstructionGenerator(TemplateWriter(), languages=["fr"])


def test_drawn_pictures_are_asked_about_the_same_wherever_the_cache_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As earlier code asked, too, whose step files named pictures below the cache path as it was given."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_rows(Path("rows.jsonl"), [{"conversations": "a red wall"}])

    def run(server: LoopbackServer) -> Path:
        storage = FileStorage("rows.jsonl", cache_path="./cache")
        PromptedImageGenerator(ScriptedWorker(save_path="cache/drawn")).run(storage.step())
        looking = EditInstructionGenerator(APIVLMServing_openai(server.url, model_name="seer"), languages=["en"])
        looking.run(storage.step(), output_conversation_key="asked")
        return storage.current.source

    with LoopbackServer(act_for=Seer().act) as server:
        drawn = run(server)
        (row,) = read_rows(drawn)
        name = Path(row["images"][0]).relative_to(tmp_path / "here").as_posix()
        assert [operation.name for operation in offered(name)] == offered_to(server.asked[0])
        asked = server.requests
        write_rows(drawn, [{**row, "images": [name]}])
        storage = FileStorage("rows.jsonl", cache_path="./cache")
        storage.step()
        looking = EditInstructionGenerator(APIVLMServing_openai(server.url, model_name="seer"), languages=["en"])
        looking.run(storage.step(), output_conversation_key="asked")
        monkeypatch.chdir(tmp_path)
        (tmp_path / "here").rename(tmp_path / "there")
        monkeypatch.chdir(tmp_path / "there")
        run(server)
        assert server.requests == asked


def offered(name: str) -> list[Operation]:
    """What is offered for the picture of this name, by the draw of the first release."""
    drawn = Draw(0, name)
    drawn.pick(("en",))
    drawn.pick(LENGTHS)
    return Choice(shipped_taxonomy(), drawn, "en", ("en",), used=()).offered

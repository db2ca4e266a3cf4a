"""A pipeline whose default writer is another one than before: what the former one answered stays paid."""

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.records import Makes, Row
from dataflow.flow.summary import Summary
from dataflow.money.prices import read_prices
from dataflow.operators.core_vision import PromptedImageGenerator
from dataflow.scripts.servings import make_serving, make_writer
from dataflow.serving.api.models import default_model, former_defaults, known_model
from dataflow.utils.storage import FileStorage
from tests.kit import shapes
from tests.kit.flow import journal_entries
from tests.kit.loopback import Act, Asked, LoopbackServer
from tests.kit.scribe import Scribe

FORMER, NOW = former_defaults("text")[-1], default_model("text")
# 10 tokens in and 1290 out, as `shapes.USAGE` says, at the shipped prices of gpt-4o and gemini-3.5-flash.
PAID = {"gpt-4o": 0.012925, "gemini-3.5-flash": 0.011625}
STEP = Path("cache/dataflow_cache_step_step1.jsonl")
ROWS = 8


class Writers:
    """Language models behind one address, each of which says its name and version."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._scribe = Scribe(always=("good", ""))

    def act(self, asked: Asked) -> Act:
        model = asked.body["model"]
        self.asked[model] += 1
        return Act(body=shapes.saying(self._scribe.act(asked).body, {"model": f"{model}-2026-08-06"}))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DF_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def write(url: str, model: str | None = None, limit: int | None = None) -> Summary:
    writer = make_writer("api", n=ROWS, model=model, api_url=url)
    return writer.run(FileStorage(cache_path="cache", limit=limit).step())


def meta() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(STEP.with_suffix(".meta.json").read_bytes())
    return found


def answers() -> list[Row]:
    return [entry for entry in journal_entries(Path("cache")) if entry["t"] != "run"]


def named(model: str) -> dict[str, Any]:
    return {"model": model, "extra_body": {}}


def test_rows_of_the_former_default_are_neither_asked_again_nor_written_otherwise() -> None:
    writers = Writers()
    with LoopbackServer(act_for=writers.act) as server:
        paid = write(server.url, FORMER).spent
        before = STEP.read_bytes(), answers()
        summary = write(server.url)
    assert (summary.requests, summary.reused, writers.asked) == (0, ROWS, {FORMER: ROWS})
    assert (STEP.read_bytes(), answers()) == before
    assert summary.spent == paid == pytest.approx(ROWS * PAID[FORMER])
    assert meta()["workers"]["writer"] == {"fingerprint": named(FORMER)}
    assert meta()["made_by"]["writer"] | {"servers": []} == {
        "model": FORMER,
        "servers": [],
        "answered_by": {f"{FORMER}-2026-08-06": ROWS},
    }
    assert f"answered by {FORMER}-2026-08-06 ({ROWS})" in str(summary)


def test_rows_that_are_still_to_write_are_written_by_the_default_and_each_is_counted_as_what_it_is() -> None:
    writers = Writers()
    with LoopbackServer(act_for=writers.act) as server:
        write(server.url, FORMER, limit=3)
        kept = STEP.read_bytes()
        summary = write(server.url)
        assert STEP.read_bytes().startswith(kept)
        assert write(server.url).requests == 0
    assert writers.asked == {FORMER: 3, NOW: ROWS - 3}
    assert (summary.requests, summary.reused) == (ROWS - 3, 3)
    assert summary.spent == pytest.approx(3 * PAID[FORMER] + (ROWS - 3) * PAID[NOW])
    by = {f"{NOW}-2026-08-06": ROWS - 3, f"{FORMER}-2026-08-06": 3}
    assert meta()["workers"]["writer"] == {"fingerprint": named(NOW), "other_fingerprints": [named(FORMER)]}
    assert meta()["made_by"]["writer"]["model"] == f"{NOW}, {FORMER}"
    assert meta()["made_by"]["writer"]["answered_by"] == by
    assert f"answered by {NOW}-2026-08-06 (5), {FORMER}-2026-08-06 (3)" in " ".join(str(summary).split())


def test_whoever_names_a_model_gets_the_answers_of_that_model_alone() -> None:
    writers = Writers()
    with LoopbackServer(act_for=writers.act) as server:
        write(server.url, FORMER)
        assert write(server.url, NOW).requests == ROWS
        assert write(server.url, FORMER).requests == 0
    assert writers.asked == {FORMER: ROWS, NOW: ROWS}


def draw(url: str, model: str | None = None) -> Summary:
    serving = make_serving("api", "text2image", "cache/pictures", model=model, api_url=url)
    Path("rows.jsonl").write_text('{"conversations": "a cat"}\n{"conversations": "a dog"}\n', encoding="utf-8")
    storage = FileStorage("rows.jsonl", cache_path="cache")
    return PromptedImageGenerator(t2i_serving=serving).run(storage.step(), output_image_key="images")


def test_pictures_of_the_former_default_are_kept_too_also_those_that_a_kill_left_without_their_line() -> None:
    with LoopbackServer() as server:
        draw(server.url, former_defaults("image")[-1])
        before = STEP.read_bytes()
        assert (draw(server.url).reused, STEP.read_bytes()) == (2, before)
        shutil.rmtree("cache/.dataflow")
        STEP.unlink()
        assert (draw(server.url).adopted, STEP.read_bytes()) == (2, before)
        assert server.requests == 2
        assert draw(server.url, default_model("image")).requests == 2


@pytest.mark.parametrize("makes", ["image", "text"])
def test_a_former_default_is_known_priced_and_not_the_default(makes: Makes) -> None:
    assert former_defaults(makes)
    for name in former_defaults(makes):
        assert name != default_model(makes)
        assert known_model(name).makes == makes
        assert read_prices(None).price(name) is not None

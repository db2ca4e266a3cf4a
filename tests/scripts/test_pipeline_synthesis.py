"""From nothing to edited pictures: the three-stage script on the demo's path, and over an address."""

import re
from pathlib import Path
from typing import Any

import pytest

from dataflow.demo.packaged import SHOWN
from dataflow.demo.truth import faults, truth_of
from dataflow.serving.api.models import default_model
from tests.kit.drawing import mark_of, read_mark
from tests.kit.flow import read_rows
from tests.kit.here import run_here
from tests.kit.loopback import Act, Asked, LoopbackServer
from tests.kit.scribe import Scribe
from tests.scripts.test_demo import model as model

SCRIPT = "image_edit_synthesis_pipeline.py"
CACHE = Path("cache_local/image_edit_synthesis")


def final_rows() -> list[dict[str, Any]]:
    return read_rows(CACHE / "dataflow_cache_step_step3.jsonl")


@pytest.mark.timeout(300)  # torch is loaded, and 17 pictures are made
def test_the_demo_writes_draws_and_edits_and_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    flags = ("--serving_type", "demo", "--n", "8", "--model", model, "--t2i_model", model)
    assert run_here(monkeypatch, SCRIPT, tmp_path, *flags) == 0
    said = capsys.readouterr().out
    for step in (1, 2, 3):
        assert f"step {step}: 8 rows, 0 failed" in said
    assert "edited_images: 0 of 8 right" in said  # an untrained model
    assert "input_image: 0 of 8 right" in said
    rows = final_rows()
    assert {row["sub_type"] for row in rows} == set(SHOWN)
    assert all(len(row["input_image"]) == len(row["input_text"]) for row in rows)
    assert all(Path(path).is_file() for row in rows for path in [*row["input_image"], *row["edited_images"]])
    assert (CACHE / "contact_sheet.png").is_file()


@pytest.mark.timeout(300)  # torch is loaded, and some 30 pictures are made
def test_the_demo_makes_rows_until_so_many_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--serving_type", "demo", "--accepted", "5", "--no_gates")
    assert run_here(monkeypatch, SCRIPT, tmp_path, *flags) == 0
    said = capsys.readouterr().out
    assert "5 of 5 wanted accepted" in said
    rows = read_rows(CACHE / "dataflow_cache_step_step1.jsonl")
    assert all(row["verdict"]["accepted"] and Path(row["input_image"][0]).is_file() for row in rows)
    assert all(faults(row["edited_images"], truth_of(row)["edited_images"], Path) == [""] for row in rows)


def test_a_dry_run_says_what_a_set_may_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = (
        "--api_url",
        "http://127.0.0.1:9/v1",
        "--api_key",
        "k",
        "--accepted",
        "10000",
        "--max_cost",
        "400",
        "--dry_run",
    )
    assert run_here(monkeypatch, SCRIPT, tmp_path, *flags) == 0
    said = " ".join(capsys.readouterr().out.split())
    drawing, text = (f"{default_model(kind)} at 127.0.0.1" for kind in ("image", "text"))
    assert f"writer: {text} painter: {drawing} editor: {drawing} judge: {text}" in said
    assert re.search(r"10,000 accepted take 1\d,\d{3} \(.* rows, \d\d,\d{3} \(.* edits, [\d,.]+ USD", said)
    assert re.search(r"of it [\d,.]+ USD to write, .* to draw, .* to check, .* USD to edit, [\d,.]+ USD to judge", said)
    assert re.search(r"max_cost \(400\.00 USD\) is enough for about \d,\d{3} of them", said)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--accepted", "5", "--n", "9"), "error: --n 9 says nothing beside --accepted 5: as many rows as that takes"),
        (("--mix", "recolour=1"), "error: --mix is of accepted rows: give --accepted N too, or leave it out"),
        (("--hopeless", "0.2"), "error: --hopeless is of accepted rows: give --accepted N too, or leave it out"),
    ],
)
def test_flags_that_say_nothing_together_are_refused(
    flags: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_here(monkeypatch, SCRIPT, tmp_path, "--serving_type", "demo", *flags) == 1
    assert said in capsys.readouterr().err


@pytest.mark.timeout(300)  # torch is loaded, and some 60 pictures are made
def test_a_set_that_is_not_met_ends_with_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    untrained = ("--serving_type", "demo", "--model", model, "--no_gates", "--tries", "1", "--hopeless", "0.5")
    wish = ("--accepted", "1", "--mix", "recolour=1", "--no_canaries")
    assert run_here(monkeypatch, SCRIPT, tmp_path, *untrained, *wish) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"given up: `recolour`, of which 0 of \d\d were accepted", said)
    assert "0 of 1 wanted accepted" in said
    assert run_here(monkeypatch, SCRIPT, tmp_path, *untrained, *wish, "--dry_run") == 0


def test_over_an_address_one_model_writes_and_another_draws_and_edits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scribe, writer = Scribe(always=("good", "")), default_model("text")

    def act(asked: Asked) -> Act | None:
        return scribe.act(asked) if asked.body["model"] == writer else None

    with LoopbackServer(act_for=act) as server:
        flags = ("--api_url", server.url, "--api_key", "k", "--n", "6", "--api_format", "images")
        assert run_here(monkeypatch, SCRIPT, tmp_path, *flags) == 0
        texts = {asked.path for asked in server.asked if asked.body["model"] == writer}
        assert {asked.path for asked in server.asked} - texts == {"/v1/images/generations", "/v1/images/edits"}
        assert texts == {"/v1/chat/completions"}
        assert {asked.body["model"] for asked in server.asked} == {writer, "gemini-3.1-flash-image"}
    for row in final_rows():
        pictures = [Path(path).read_bytes() for path in row["input_image"]]
        assert read_mark(row["edited_images"][0]) == mark_of(row["conversations"][0]["content"], pictures)
    assert "3: 6 rows, 0 failed" in capsys.readouterr().out


def test_templates_write_without_a_language_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackServer() as server:
        flags = ("--api_url", server.url, "--api_key", "k", "--writer", "templates", "--n", "9", "--limit", "5")
        assert run_here(monkeypatch, SCRIPT, tmp_path, *flags) == 0
        assert {asked.body["model"] for asked in server.asked} == {"gemini-3.1-flash-image"}
    assert len(final_rows()) == 5


def test_the_demo_model_is_given_only_what_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(monkeypatch, SCRIPT, tmp_path, "--serving_type", "demo", "--writer", "templates") == 1
    assert "the demo model knows only what its own writer says" in capsys.readouterr().err

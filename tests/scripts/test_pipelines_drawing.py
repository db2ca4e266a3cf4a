"""The example pipelines that draw, as processes: from descriptions alone, and from drawings to one picture."""

import os
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from dataflow.scripts.options import parse_options
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.kit.drawing import mark_of, read_mark
from tests.kit.flow import read_rows, write_rows
from tests.kit.here import SCRIPTS, run_here
from tests.kit.loopback import Act, LoopbackServer

DRAW = "text_to_image_generation_pipeline.py"
SEVERAL = "multi_images_to_image_generation_pipeline.py"
EDIT = "image_editing_pipeline.py"
ACCEPTED = "accepted_image_editing_pipeline.py"
SEVERAL_CACHE = "cache_local/multi_subjects_driven_image_generation"


def run(script: str, folder: Path, *flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith("DF_")}
    command = [sys.executable, str(SCRIPTS / script), *flags]
    return subprocess.run(command, cwd=folder, env={**known, **variables}, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("script", "steps", "cache", "pictures"),
    [
        (DRAW, 1, "cache_local/text_to_image", {"condition_images": 2}),
        (SEVERAL, 2, SEVERAL_CACHE, {"condition_images": 4, "target_images": 2}),
    ],
)
def test_without_anything_it_runs_the_demo_from_an_empty_directory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    script: str,
    steps: int,
    cache: str,
    pictures: dict[str, int],
) -> None:
    here = tmp_path / "empty"
    here.mkdir()
    assert run_here(monkeypatch, script, here, "--limit", "2") == 0
    said = capsys.readouterr().out
    assert "serving: demo (no address and no key" in said
    for step in range(1, steps + 1):
        assert f"step {step}: 2 rows, 0 failed" in said
    sheet = f"{cache}/contact_sheet.png"
    assert f"\n{'before, ' if script == SEVERAL else ''}instruction, after: {sheet}" in said
    assert (here / sheet).exists()
    assert {name: len(list((here / cache / name).rglob("*.png"))) for name in pictures} == pictures
    assert [path.name for path in here.iterdir()] == ["cache_local"]


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*_pipeline.py")))
def test_own_servers_of_pictures_are_named_by_a_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    flags = ("--api_url", "http://127.0.0.1:9", "--cache_path", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [script, *flags, "--picture_hosts", "images.lan", "10.0.0.5:9000"])
    made = runpy.run_path(str(SCRIPTS / script))
    pipeline = made["build"](parse_options(made["SCRIPT"]))
    servings = [each for each in vars(pipeline).values() if isinstance(each, APIVLMServing_openai)]
    assert [each.settings.picture_hosts for each in servings] == [["images.lan", "10.0.0.5:9000"]] * len(servings)
    assert servings


def test_several_pictures_per_description_and_several_results_per_row(tmp_path: Path) -> None:
    described = [{"input_text": [f"cat {n}", f"狗 {n}"], "output_img_discript": f"both {n}"} for n in range(3)]
    write_rows(tmp_path / "rows.jsonl", described)
    flags = ("--input", "rows.jsonl", "--ip_condition_num", "2", "--repeat_times", "2", "--api_format", "images")
    with LoopbackServer() as server:
        done = run(SEVERAL, tmp_path, *flags, "--api_url", server.url, DF_API_KEY="k")
        assert done.returncode == 0, done.stderr
        asked = Counter({prompt: 2 for n in range(3) for prompt in (f"cat {n}", f"狗 {n}", f"both {n}")})
        assert server.prompts == asked
        assert {each.path for each in server.asked} == {"/v1/images/generations", "/v1/images/edits"}
        assert "0 requests sent, 6 answered before" in run(SEVERAL, tmp_path, *flags, "--api_url", server.url).stdout
        assert server.requests == 18

    for n, row in enumerate(read_rows(tmp_path / SEVERAL_CACHE / "dataflow_cache_step_step2.jsonl")):
        drawn = [tmp_path / path for path in row["input_image"]]
        assert [read_mark(path) for path in drawn] == [mark_of(each) for each in row["input_text"] for _ in range(2)]
        made = [tmp_path / path for path in row["output_image"]]
        assert [read_mark(path) for path in made] == [mark_of(f"both {n}", [path.read_bytes() for path in drawn])] * 2
        assert len({*drawn, *made}) == 6


def test_several_drawings_per_description(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", [{"conversations": f"a teapot, {n}"} for n in range(3)])
    with LoopbackServer() as server:
        flags = ("--input", "rows.jsonl", "--repeat_times", "2", "--api_url", server.url, "--api_key", "k")
        done = run(DRAW, tmp_path, *flags, "--api_format", "responses")
        assert {each.path for each in server.asked} == {"/v1/responses"}
        assert server.prompts == {f"a teapot, {n}": 2 for n in range(3)}
    assert done.returncode == 0, done.stderr
    assert "serving: api (--api_url is given)" in done.stdout
    for row in read_rows(tmp_path / "cache_local/text_to_image/dataflow_cache_step_step1.jsonl"):
        assert [read_mark(tmp_path / path) for path in row["images"]] == [mark_of(row["conversations"])] * 2
        assert len(set(row["images"])) == 2


def test_a_row_whose_drawing_failed_is_not_edited_and_the_run_ends_with_3(tmp_path: Path) -> None:
    described = [{"input_text": ["cat", f"dog {n}"], "output_img_discript": f"both {n}"} for n in range(2)]
    write_rows(tmp_path / "rows.jsonl", described)
    refusal = Act(400, {"error": {"message": "The prompt was rejected.", "code": "content_policy_violation"}})
    with LoopbackServer(act_for=lambda asked: refusal if asked.prompt == "dog 0" else None) as server:
        done = run(SEVERAL, tmp_path, "--input", "rows.jsonl", "--api_url", server.url, DF_API_KEY="k")
        assert (server.prompts["both 0"], server.prompts["both 1"]) == (0, 1)
    assert done.returncode == 3, done.stderr
    assert "step 1: 2 rows, 1 failed" in done.stdout
    assert "step 2: 2 rows, 1 failed" in done.stdout
    broken, whole = read_rows(tmp_path / SEVERAL_CACHE / "dataflow_cache_step_step2.jsonl")
    assert (broken["input_image"], broken["output_image"]) == ([], [])
    assert (len(whole["input_image"]), len(whole["output_image"])) == (2, 1)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--t2i_serving_type", "demo"], "demo pictures are not sent to an address that may charge"),
        (["--t2i_serving_type", "cloud"], "t2i_serving_type"),
        (["--ip_condition_num", "0"], "ip_condition_num is 0"),
        (["--repeat_times", "0"], "repeat_times is 0"),
    ],
)
def test_flags_that_cannot_be_right_are_refused_before_anything_is_sent(
    tmp_path: Path, flags: list[str], words: str
) -> None:
    with LoopbackServer() as server:
        done = run(SEVERAL, tmp_path, *flags, "--api_url", server.url, DF_API_KEY="k")
        assert server.requests == 0
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("script", [EDIT, DRAW, SEVERAL, ACCEPTED])
def test_help_fits_80_columns(tmp_path: Path, script: str) -> None:
    done = run(script, tmp_path, "--help", COLUMNS="80")
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if len(line) > 80] == []
    assert f"python {script}" in done.stdout
    example = {EDIT: "image_edit", ACCEPTED: "image_edit", DRAW: "text2image", SEVERAL: "multi_image_input_gen"}[script]
    assert f"{example}/prompts.jsonl" in done.stdout, "broken in the middle of a path"

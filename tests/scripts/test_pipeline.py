"""The example pipeline as a process, and how it chooses its serving."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.serving.dialects import FORMATS
from tests.kit.loopback import Act, LoopbackServer

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "gpu_pipelines" / "image_editing_pipeline.py"
PICTURE = ROOT / "example_data/image_gen/image_edit/image8.png"


def run(folder: Path, *flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith("DF_")}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *flags], cwd=folder, env={**known, **variables}, capture_output=True, text=True
    )


def write_rows(path: Path, *pictures: str) -> None:
    path.write_text("".join(json.dumps({"images": each, "conversations": "Tidy up."}) + "\n" for each in pictures))


def test_without_anything_it_runs_the_demo_from_any_directory(tmp_path: Path) -> None:
    done = run(tmp_path, "--limit", "2")
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("step 1 ")]  # a slow machine: progress
    assert said == [], "nothing of what libraries say of each other"
    assert "serving: demo (no address and no key" in done.stdout
    assert "step 1: 2 rows, 0 failed" in done.stdout
    assert "of 2 right" in done.stdout
    assert (tmp_path / "cache_local/image_editing/contact_sheet.png").exists()
    assert len(list((tmp_path / "cache_local/image_editing/target_images").rglob("*.png"))) == 2


def test_a_preview_is_not_paid_again_by_the_full_run(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", *[str(PICTURE)] * 5)
    with LoopbackServer() as server:
        flags = ("--input", "rows.jsonl", "--api_url", server.url)
        assert "2 requests sent" in run(tmp_path, *flags, "--limit", "2").stdout
        assert "3 requests sent, 2 answered before" in run(tmp_path, *flags).stdout
        assert server.requests == 5


def test_a_format_is_named_by_a_flag_and_no_part_of_what_was_answered(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", str(PICTURE))
    with LoopbackServer() as server:
        flags = ("--input", "rows.jsonl", "--api_url", server.url)
        assert "1 request sent" in run(tmp_path, *flags, "--api_format", "images").stdout
        assert "0 requests sent, 1 answered before" in run(tmp_path, *flags).stdout
        assert [asked.path for asked in server.asked] == ["/v1/images/edits"]


def test_rows_with_a_result_and_refused_ones_are_asked_again_by_flags(tmp_path: Path) -> None:
    done_row = {"images": str(PICTURE), "conversations": "Tidy up.", "edited_images": ["mine.png"]}
    refused_row = {"images": str(PICTURE), "conversations": "Refused."}
    (tmp_path / "rows.jsonl").write_text(json.dumps(done_row) + "\n" + json.dumps(refused_row) + "\n")
    refusal = Act(400, {"error": {"code": "moderation_blocked"}})
    with LoopbackServer(act_for=lambda asked: refusal if asked.prompt == "Refused." else None) as server:
        flags = ("--input", "rows.jsonl", "--api_url", server.url)
        told = "1 row kept: it has `edited_images`; overwrite=True or --overwrite asks again"
        assert told in run(tmp_path, *flags).stdout
        assert "1 request sent" in run(tmp_path, *flags, "--overwrite").stdout
        assert "0 requests sent" in run(tmp_path, *flags, "--overwrite").stdout
        assert "1 request sent" in run(tmp_path, *flags, "--retry_rejected").stdout
        assert server.prompts == {"Tidy up.": 1, "Refused.": 2}


def test_an_unknown_format_is_refused_with_those_there_are(tmp_path: Path) -> None:
    done = run(tmp_path, "--api_url", "http://127.0.0.1:9", "--api_format", "image")
    assert done.returncode == 2
    assert all(each in done.stderr for each in ("--api_format", "'image'", *FORMATS))


def test_some_failed_rows_end_with_3_and_say_where_to_look(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", "nowhere.png", str(PICTURE))
    with LoopbackServer() as server:
        done = run(tmp_path, "--input", "rows.jsonl", "--api_url", server.url)
        assert server.requests == 1
    assert done.returncode == 3
    assert "1 failed, " in done.stdout
    assert "\n  1 x no picture 'nowhere.png' at " in done.stdout
    assert "failed rows and reasons: cache_local/image_editing/dataflow_cache_step_step1.errors.jsonl" in done.stdout
    assert "Rows whose reason names the row, its answer or an earlier step fail again until" in done.stdout
    assert "The next run asks again" not in done.stdout, "a missing picture is not mended by another run"


@pytest.mark.parametrize(
    ("flags", "variables", "words"),
    [
        (["--serving_type", "api"], {}, "DF_BASE_URL"),
        (["--api_url", "https://api.example.com/v1"], {}, "DF_API_KEY"),
        (["--api_url", "https://api.example.com/v1"], {"DF_API_KEY": ""}, "is set but empty"),
        (["--serving_type", "demo", "--input", "missing.jsonl"], {}, "no input file at missing.jsonl"),
        (["--serving_type", "demo", "--input", "empty.jsonl"], {}, "is empty"),
        (["--serving_type", "demo", "--input", "broken.jsonl"], {}, "broken.jsonl:2: not valid JSON"),
        (["--serving_type", "demo", "--input", "gbk.jsonl"], {}, "is not UTF-8"),
        (["--serving_type", "demo", "--input", "other.jsonl"], {}, "its columns are `picture`, `text`"),
        (["--serving_type", "demo", "--input", "photos.jsonl"], {}, "dataflowmm instruct ROWS --model NAME"),
        ([], {"DF_BASE_URL": "https://api.example.com/v1"}, "no key for api.example.com: the environment variable"),
        (["--model", "./ckpt/nope"], {}, "--model ./ckpt/nope: there is no folder /"),
        (["--limit", "0"], {}, "give a number of rows from 1"),
    ],
)
def test_a_mistake_is_named_before_anything_is_sent(tmp_path: Path, flags, variables, words) -> None:
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "broken.jsonl").write_text('{"images": "a", "conversations": "b"}\n{"images": \n')
    (tmp_path / "gbk.jsonl").write_bytes('{"images": "a", "conversations": "红"}\n'.encode("gb18030"))
    (tmp_path / "photos.jsonl").write_text('{"images": "a.png"}\n')
    (tmp_path / "other.jsonl").write_text('{"picture": "a", "text": "b"}\n')
    done = run(tmp_path, *flags, **variables)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_key_stops_the_run_and_does_not_show_it(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", *[str(PICTURE)] * 200)
    refusal = Act(401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}})
    with LoopbackServer(act_for=lambda asked: refusal) as server:
        done = run(tmp_path, "--input", "rows.jsonl", "--api_url", server.url, "--api_key", "sk-canary-1234")
        assert server.requests <= 64
    assert done.returncode == 1
    assert "does not accept the key in DF_API_KEY" in done.stderr
    everything = done.stdout + done.stderr
    for path in tmp_path.rglob("*"):
        if path.is_file():
            everything += path.read_bytes().decode("latin-1")
    assert "sk-canary-1234" not in everything


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "no address and no key"),
        ({"DF_API_KEY": "k", "DF_BASE_URL": ""}, "no address and no key"),
        ({"DF_BASE_URL": "127.0.0.1:8000"}, "is no address"),
    ],
)
def test_rows_of_ones_own_never_go_to_the_demo_model_unasked(tmp_path: Path, variables, words) -> None:
    write_rows(tmp_path / "rows.jsonl", str(PICTURE))
    done = run(tmp_path, "--input", "rows.jsonl", **variables)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "cache_local").exists()


def test_a_server_of_ones_own_needs_no_key_and_is_used(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", str(PICTURE))
    with LoopbackServer() as server:
        done = run(tmp_path, "--input", "rows.jsonl", DF_BASE_URL=server.url)
        assert server.requests == 1
    assert done.returncode == 0, done.stderr
    assert "serving: api (DF_BASE_URL is a server of one's own)" in done.stdout

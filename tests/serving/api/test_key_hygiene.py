"""The key of a failed run is in no file, log, traceback, repr or error, although every reply repeats it."""

import html
import json
import logging
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from dataflow.core.records import Request
from dataflow.core.run_options import RunOptions
from dataflow.errors import ConfigError
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.scripts.options import Options
from dataflow.serving.api_image_gen_serving import APIImageGenServing
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage
from tests.kit.asking import ask_once
from tests.kit.drawing import draw_png, mark_of
from tests.kit.flow import draw, write_rows
from tests.kit.loopback import Act, LoopbackServer
from tests.kit.shapes import whole

KEY = "sk-canary-5f2c9e1d7b3a4c60"

SCRIPT = """
import logging, sys, traceback
logging.basicConfig(level=logging.DEBUG, filename=sys.argv[1] + "/debug.log")
from dataflow.core.retry import RetryPolicy
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.api_image_gen_serving import APIImageGenServing
from dataflow.utils.storage import FileStorage

folder, url, format, given = sys.argv[1:]
serving = APIImageGenServing(url, ImageIO(folder + "/cache/images"), Image_gen_task="imageedit", batch_size=1,
    api_format=format, model_name="model", api_key=given or None)
del given
serving.retry = RetryPolicy(retries=1, base=0.01)
storage = FileStorage(folder + "/rows.jsonl", folder + "/cache")
try:
    PromptedImageEditGenerator(serving).run(storage.step(), output_image_key="out")
except BaseException as error:
    traceback.print_exc()
    print("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
    print(repr(error), vars(error), serving, vars(serving), serving.fingerprint())
    raise
"""


def replies() -> list[Act]:
    """What goes wrong in turn, each naming the key: the last ends the run."""
    said = f"no worker is free for {KEY} ({KEY})"
    good = whole("images", [], said)
    return [
        Act(500, {"error": {"message": said, "code": KEY}}),
        Act(200, f"<html><body>{said}</body></html>"),
        Act(200, f"not json {said}"),
        Act(400, {"error": {"message": f"moderation_blocked: {said}", "code": "moderation_blocked"}}),
        Act(200, good),
        Act(200, good, cut=60),
        Act(429, {"error": {"message": f"slow down {KEY}"}}, {"Retry-After": "0"}),
        Act(200, {"choices": [{"message": {"content": said}, "finish_reason": KEY}]}),
        *[Act(401, {"error": {"message": f"Incorrect API key: {KEY}", "code": "invalid_api_key", "param": KEY}})] * 4,
    ]


@pytest.mark.parametrize(("api_format", "header"), [("chat", "authorization"), ("gemini", "x-goog-api-key")])
@pytest.mark.parametrize("given", [True, False], ids=["as a parameter", "in the environment"])
def test_the_key_of_a_failed_run_is_found_nowhere(tmp_path: Path, api_format: str, header: str, given: bool) -> None:
    picture = draw(tmp_path / "in.png")
    write_rows(tmp_path / "rows.jsonl", [{"images": str(picture), "conversations": f"{n}"} for n in range(12)])
    environment = {**os.environ, "DF_API_KEY": "" if given else KEY, "OPENAI_LOG": "debug"}
    with LoopbackServer(acts=replies()) as server:
        command = [sys.executable, "-c", SCRIPT, str(tmp_path), server.url, api_format, KEY if given else ""]
        made = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert all(KEY in asked.headers[header] for asked in server.asked)
        assert len(server.asked) > 8
    assert made.returncode != 0
    assert "FatalAnswer" in made.stderr
    (tmp_path / "output").write_text(made.stdout + made.stderr)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"debug.log", "journal.jsonl", "output"} <= {path.name for path in files}
    assert "httpcore" in (tmp_path / "debug.log").read_text()
    assert "[key]" in (tmp_path / "cache/.dataflow/journal.jsonl").read_text()
    holding = [path.name for path in files if KEY.encode() in path.read_bytes()]
    shown = [line[:500] for line in made.stdout.splitlines() if KEY in line]
    assert (holding, shown) == ([], [])


def test_a_finished_run_keeps_the_words_of_a_model_without_the_key(tmp_path: Path) -> None:
    picture = draw(tmp_path / "in.png")
    write_rows(tmp_path / "rows.jsonl", [{"images": str(picture), "conversations": f"{n}"} for n in range(3)])
    with LoopbackServer(text=f"I was asked with {KEY}.") as server:
        serving = APIImageGenServing(
            server.url, ImageIO(str(tmp_path / "c/i")), Image_gen_task="imageedit", model_name="m", api_key=KEY
        )
        step = FileStorage(tmp_path / "rows.jsonl", tmp_path / "c").step()
        summary = PromptedImageEditGenerator(serving).run(step, output_image_key="out")
    assert (summary.failed, summary.pictures) == (0, 3)
    assert "asked with [key]" in (tmp_path / "c/.dataflow/journal.jsonl").read_text()
    holding = [path.name for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert holding == []


def test_flags_with_a_key_do_not_show_it() -> None:
    flags = Namespace(api_key=KEY)
    options = Options("api", "http://h/v1", KEY, None, (), "m", "rows.jsonl", "cache", RunOptions(), flags)
    assert options.api_key == KEY
    assert KEY not in repr(options)


def test_our_own_loggers_say_nothing_of_the_key_when_it_is_unusable(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("DF_API_KEY", f"{KEY}\x07")
    with pytest.raises(ConfigError) as caught:
        APIImageGenServing("https://api.example.com/v1", ImageIO("x"), model_name="m").prepare()
    assert KEY not in f"{caught.value!r}{caplog.text}"


SLASHED = "sk-canary/AbCd+ef0123456789"
WRITTEN = {
    "as it is": SLASHED,
    "as PHP writes JSON": SLASHED.replace("/", "\\/"),
    "in JSON in JSON": SLASHED.replace("/", "\\\\\\/"),
    "in escapes of JSON": "".join(f"\\u{ord(each):04x}" for each in SLASHED),
    "in escapes of JSON in JSON": "".join(f"\\\\u{ord(each):04X}" for each in SLASHED),
    "in a URL": quote(SLASHED, safe=""),
    "in a URL in a URL": quote(quote(SLASHED, safe=""), safe=""),
    "in HTML": SLASHED.replace("/", "&#x2F;").replace("+", "&#43;"),
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("where", ["text", "usage", "error", "refusal", "html"])
def test_the_key_is_kept_in_no_writing(tmp_path, monkeypatch, written, where):
    monkeypatch.setenv("DF_API_KEY", SLASHED)
    good = whole("images", [draw_png(mark_of("red"))], "your key is KEY", usage={"prompt_tokens": 1, "KEY": 2})
    act = {
        "text": Act(body=good.replace(b"KEY", written.encode())),
        "usage": Act(body=good.replace(b'"KEY"', f'"{written}"'.encode()).replace(b"KEY", b"x")),
        "error": Act(400, f'{{"error": {{"message": "bad key {written}"}}}}'.encode()),
        "refusal": Act(body=whole("images", [], f"no: {written}")),
        "html": Act(500, f"<html>{written}</html>".encode()),
    }[where]
    with LoopbackServer(act_for=lambda asked: act) as server:
        serving = APIImageGenServing(server.url, ImageIO(str(tmp_path / "images")), model_name="m", api_format="chat")
        answer = ask_once(serving, Request("draw"))
    kept = repr(answer)
    assert (where in ("text", "usage")) == (answer.error is None)
    assert SLASHED not in kept.replace("\\", "")
    assert SLASHED not in html.unescape(unquote(unquote(kept)))
    assert "[key]" in kept


def test_the_key_cut_over_two_events_of_a_stream_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("DF_API_KEY", SLASHED)
    chunks = [{"content": "your key is " + SLASHED[:11]}, {"content": SLASHED[11:] + " &c."}]
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in chunks]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    with LoopbackServer(acts=[Act(body=body)]) as server:
        serving = APIVLMServing_openai(server.url, model_name="m", send_request_stream=True)
        assert ask_once(serving, Request("x", makes="text")).text == "your key is [key] &c."

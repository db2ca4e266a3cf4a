"""A reply is a stranger's text: it names no file of ours, gives none its name, and does not steer a terminal."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.records import Request
from dataflow.io import ImageIO
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.dialects.reply import read_picture
from tests.kit import shapes
from tests.kit.asking import ask_once
from tests.kit.drawing import draw_png, mark_of
from tests.kit.flow import draw, read_rows, write_rows
from tests.kit.loopback import Act, LoopbackServer

PACKAGE = Path(__file__).parents[3] / "dataflow"
RED = draw_png(mark_of("red"))
STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\x08\u202egnp.exe\u2028\x00"


def chat(**message: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": "", **message}, "finish_reason": "stop"}]}


def test_a_path_in_a_reply_is_never_read(tmp_path: Path) -> None:
    inside = tmp_path / "inside.png"
    inside.write_bytes(RED)
    replies = [
        chat(content=f"Here: ![x]({inside})"),
        chat(content=f"![x](file://{inside})"),
        chat(images=[{"type": "image_url", "image_url": {"url": str(inside)}}]),
        chat(images=[{"type": "image_url", "image_url": {"url": f"file://{inside}"}}]),
        chat(content=[{"type": "image_url", "image_url": {"url": "inside.png"}}]),
        chat(content="", multi_mod_content=[{"inline_data": {"mime_type": "image/png", "data": str(inside)}}]),
        chat(content="![x](http://127.0.0.1:1/x.png)"),
    ]
    for reply in replies:
        with LoopbackServer(acts=[Act(body=reply)]) as server:
            serving = APIVLMServing_openai(server.url, model_name="m", image_io=ImageIO(str(tmp_path / "out")))
            answer = ask_once(serving, Request("draw"))
        assert answer.error is not None, reply
        assert answer.pictures == ()
    assert not (tmp_path / "out").exists()


def test_files_are_named_after_requests_whatever_prompt_and_reply_say(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    words = "../../../evil.png; rm -rf / \x00 /etc/passwd 编辑"
    body = shapes.whole("images", [RED, RED[:-4] + RED[-4:]], f"saved as {words}")
    with LoopbackServer(acts=[Act(body=body)]) as server:
        images = ImageIO(str(tmp_path / "work" / "images"))
        serving = APIVLMServing_openai(server.url, model_name=words, image_io=images)
        answer = ask_once(serving, Request(words))
    assert answer.error is None
    found = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert found
    assert all(re.fullmatch(r"work/images/[0-9a-f]{2}/[0-9a-f]{32}_\d+\.png", name) for name in found)


@pytest.mark.parametrize("source", ["iVBORw0K1", "iVBO=Rw0KGgo=", "iVB*Rw0K", "<svg/>", "%", "%00", "é", ""])
def test_what_is_no_base64_in_any_writing_is_no_picture(source: str) -> None:
    for text in (source, f"data:image/png;base64,{source}"):
        with pytest.raises(ValueError):
            read_picture(text)


SCRIPT = """
import sys
from dataflow.scripts.run import run_script
from dataflow.core.retry import RetryPolicy
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage

folder, url = sys.argv[1:]
serving = APIVLMServing_openai(url, model_name="m", image_io=ImageIO(folder + "/cache/images"), max_workers=1)
serving.retry = RetryPolicy(retries=1, base=0.01)

def main():
    step = FileStorage(folder + "/rows.jsonl", folder + "/cache").step()
    summary = PromptedImageEditGenerator(serving).run(step, output_image_key="out")
    print(summary)
    return summary

sys.exit(run_script(main))
"""


@pytest.mark.parametrize("ends", ["with a summary", "with a fatal answer"])
def test_control_characters_of_a_stranger_reach_neither_terminal_nor_errors_file(tmp_path: Path, ends: str) -> None:
    write_rows(
        tmp_path / "rows.jsonl", [{"images": str(draw(tmp_path / "a.png")), "conversations": f"{n}"} for n in range(6)]
    )
    message = {"error": {"message": f"no {STEERING}", "code": f"x{STEERING}", "type": STEERING}}
    acts = [
        Act(500, message),
        Act(500, f"<html>{STEERING}</html>"),
        Act(400, {"error": {"message": f"moderation_blocked {STEERING}", "code": "moderation_blocked"}}),
        Act(200, {"choices": [{"message": {"content": STEERING}, "finish_reason": f"content_filter{STEERING}"}]}),
        Act(200, {"choices": [{"message": {"content": f"I cannot {STEERING}"}, "finish_reason": "content_filter"}]}),
        Act(200, STEERING),
    ]
    if ends == "with a fatal answer":
        acts += [Act(401, {"error": {"message": f"bad key {STEERING}", "code": "invalid_api_key"}})] * 4
    with LoopbackServer(acts=acts) as server:
        command = [sys.executable, "-c", SCRIPT, str(tmp_path), server.url]
        made = subprocess.run(command, capture_output=True)
    assert made.returncode == (3 if ends == "with a summary" else 1), made.stderr
    shown = (made.stdout + made.stderr).decode()
    errors = next((tmp_path / "cache").glob("*.errors.jsonl*"), None)
    reasons = [f"{row['reason']}{row.get('said', '')}" for row in read_rows(errors)] if errors else []
    assert reasons or ends == "with a fatal answer"
    for text in (shown, *reasons):
        assert [c for c in text if not c.isprintable() and c != "\n"] == []


def test_pickle_is_used_only_between_the_driver_and_its_own_processes() -> None:
    ours = {"pools/processes/child.py", "pools/processes/driver_end.py", "pools/processes/worker_end.py"}
    ours |= {"executors/actor.py", "executors/replica.py"}
    loaders = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
    users = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            # An error's class loads nothing: damaged weights raise it inside torch.
            names = [name for name in names if name != "UnpicklingError"]
            only_the_error = isinstance(node, ast.ImportFrom) and not names
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not only_the_error else []
            called = node.func if isinstance(node, ast.Call) else None
            reads = isinstance(called, ast.Attribute) and ast.unparse(called) in ("torch.load", "pandas.read_pickle")
            # torch's reader of plain tensors: it builds no object that a file names.
            reads = reads and "weights_only=True" not in ast.unparse(node)
            allowed = isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "trust_remote_code")
            trusting = allowed and ast.unparse(node.value) != "False"  # type: ignore[attr-defined]
            if loaders & {name.partition(".")[0] for name in names} or reads or trusting:
                users.add(path.relative_to(PACKAGE).as_posix())
    assert users == ours

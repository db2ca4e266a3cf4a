"""Against a server that is not ours: `@copilotkit/aimock` from npm, counted by its own journal.

python -m pytest -m network tests/serving/api/test_aimock.py

Needs node and npm's registry; the first start downloads the package.
"""

import json
import os
import re
import shutil
import subprocess
import urllib.request
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.retry import RetryPolicy
from dataflow.flow.summary import Summary
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage
from tests.kit.drawing import draw_png, mark_of, read_mark
from tests.kit.flow import read_rows, write_rows

pytestmark = [pytest.mark.network, pytest.mark.timeout(400)]

PACKAGE = "@copilotkit/aimock@1.43.0"
MARK = mark_of("aimock")


class Impatient(APIVLMServing_openai):
    """Waits a hundredth of what is usual, unless the server asks for more."""

    retry = RetryPolicy(retries=8, base=0.01)


@contextmanager
def aimock(folder: Path, *chaos: str) -> Iterator[str]:
    """Its address while it runs."""
    picture = b64encode(draw_png(MARK)).decode()
    markdown = f"Here you are.\n![image](data:image/png;base64,{picture})"
    fixtures = [
        {"match": {"endpoint": "image"}, "response": {"image": {"b64Json": picture}}},
        {"match": {"endpoint": "chat"}, "response": {"content": markdown}},
    ]
    (folder / "fixtures.json").write_text(json.dumps({"fixtures": fixtures}))
    npx = shutil.which("npx")
    assert npx, "npx is not here: install node 20 or later"
    command = [npx, "--yes", "-p", PACKAGE, "llmock", "-p", "0", "-f", str(folder / "fixtures.json")]
    command += ["--journal-max", "0", "--log-level", "info", *chaos]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, start_new_session=True
    ) as server:
        assert server.stdout is not None
        try:
            told = ""
            while not (address := re.search(r"listening on (http://\S+)", told)):
                line = server.stdout.readline()
                assert line, f"it did not start: {told}"
                told += line
            yield address[1]
        finally:
            os.killpg(server.pid, 15)


def journal(address: str) -> list[dict[str, object]]:
    with urllib.request.urlopen(f"{address}/__aimock/journal") as reply:
        return [entry for entry in json.load(reply) if entry["method"] == "POST"]


def edit_rows(folder: Path, address: str, rows: int, **options: Any) -> tuple[Summary, FileStorage]:
    inputs = [str(folder / f"in{n}.png") for n in range(2)]
    for number, path in enumerate(inputs):
        Path(path).write_bytes(draw_png(mark_of(f"in {number}")))
    source = write_rows(folder / "rows.jsonl", [{"images": inputs, "conversations": f"edit {n}"} for n in range(rows)])
    storage = FileStorage(str(source), cache_path=str(folder / "cache"))
    serving = Impatient(address, model_name="gpt-image-1", image_io=ImageIO(str(folder / "made")), **options)
    summary = PromptedImageEditGenerator(serving).run(storage.step(), output_image_key="edited")
    for row in read_rows(storage.current.target):
        for path in row["edited"]:
            assert read_mark(path) == MARK
    return summary, storage


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"api_format": "images"}, "/v1/images/edits"),
        ({"api_format": "chat"}, "/v1/chat/completions"),
        ({"api_format": "chat", "send_request_stream": True}, "/v1/chat/completions"),
    ],
    ids=["multipart edits", "markdown", "markdown streamed"],
)
def test_every_row_is_edited_with_one_request(tmp_path: Path, options: dict[str, object], path: str) -> None:
    with aimock(tmp_path) as address:
        summary, _ = edit_rows(tmp_path, address, 40, **options)
        asked = journal(address)
    assert (summary.failed, summary.pictures, summary.requests) == (0, 40, 40)
    assert Counter(entry["path"] for entry in asked) == {path: 40}


@pytest.mark.parametrize("api_format", ["images", "chat"])
def test_under_its_chaos_every_request_is_accounted_for(tmp_path: Path, api_format: str) -> None:
    rates = ("drop", "malformed", "disconnect", "ratelimit")
    chaos = [part for rate in rates for part in (f"--chaos-{rate}", "0.05")]
    with aimock(tmp_path, *chaos) as address:
        summary, storage = edit_rows(tmp_path, address, 200, api_format=api_format)
        asked = journal(address)
    faults = Counter(str(entry["response"].get("chaosAction", "")) for entry in asked)  # type: ignore[attr-defined]
    good = faults.pop("")
    failed = read_rows(storage.current.errors) if storage.current.errors.exists() else []
    print(f"{api_format}: {len(asked)} requests, {good} good, faults {dict(faults)}, {len(failed)} given up")
    assert set(faults) == {"drop", "malformed", "disconnect", "rateLimit"}
    assert summary.requests == len(asked) == 200 + faults.total() - len(failed)
    assert good == summary.pictures == 200 - len(failed)
    assert all(line["reason"] and line["attempts"] for line in failed)

import subprocess
import sys
import urllib.request
from pathlib import Path

import orjson

from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai

ROOT = Path(__file__).parent.parent.parent


def test_as_a_process_it_prints_its_address_and_counts(tmp_path):
    script = tmp_path / "script.json"
    script.write_bytes(orjson.dumps([{"body": {"choices": [{"message": {"content": "first"}}]}}]))
    command = [sys.executable, "-m", "tests.kit.loopback", "--script", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            url = process.stdout.readline().strip()
            assert APIVLMServing_openai(url, model_name="m").generate("hello").text == "first"
            with urllib.request.urlopen(url.replace("/v1", "/stats")) as reply:
                stats = orjson.loads(reply.read())
        finally:
            process.terminate()
    assert stats.pop("first_at") > 0
    assert stats == {"requests": 1, "answered": 0, "in_flight": 0, "peak": 1, "prompts": {"hello": 1}}

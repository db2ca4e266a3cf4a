"""The guide's blocks for online models run as they stand.

Changed are only the address and the key; the names a fragment takes from around it are supplied.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.guide.blocks import block, gpu_pipelines, result_rows, run, server
from tests.kit.loopback import LoopbackServer

__all__ = ["gpu_pipelines", "server"]

ADDRESS = "http://123.129.219.111:3000/v1/"


def test_the_online_pipeline_class(server: LoopbackServer) -> None:
    code = block("python", "class ImageGenerationPipeline", "APIVLMServing_openai").replace(ADDRESS, server.url)
    pipeline = run(code)["ImageGenerationPipeline"](serving_type="api")
    pipeline.forward()

    rows = result_rows("./cache_local/image_editing")
    assert len(rows) == len(Path("../example_data/image_gen/image_edit/prompts.jsonl").read_text().splitlines())
    for row in rows:
        (path,) = row["edited_images"]
        assert path.startswith(str(Path.cwd() / "cache_local/image_editing/target_images"))
        assert Path(path).stat().st_size > 0
    before = server.requests
    pipeline.forward()
    assert server.requests == before == len(rows)


def test_the_fragments_make_a_pipeline(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataflow.io import ImageIO
    from dataflow.utils.storage import FileStorage

    loading = block("python", "first_entry_file_name=", "<Your jsonl file path>")
    loading = loading.replace("<Your jsonl file path>", "../example_data/image_gen/image_edit/prompts.jsonl")
    storage = run(loading, FileStorage=FileStorage)["storage"]
    me = SimpleNamespace(storage=storage)
    monkeypatch.setattr(os, "environ", os.environ)
    serving = block("python", "os.environ['DF_API_KEY'] = args.api_key")
    run(serving, self=me, args=SimpleNamespace(api_key="k"), api_url=server.url, ImageIO=ImageIO)
    run(block("python", "PromptedImageEditGenerator(pipe=self.serving)"), self=me)

    rows = result_rows("./cache_local/<Your task name>")
    assert all(row["edited_images"] for row in rows)
    assert all(asked.body["stream"] for asked in server.asked)


def test_the_commands(server: LoopbackServer, tmp_path: Path) -> None:
    online = block("bash", "python image_editing_pipeline.py --api_url")
    online = online.replace("<api_key>", "k").replace(r"\<your_url\>", server.url)
    elsewhere = block("bash", "/path/to/DataFlow-MM/test/image_editing_pipeline.py --api_url")
    elsewhere = elsewhere.replace("<api_key>", "k").replace("<your_url>", server.url)
    elsewhere = elsewhere.replace("/path/to/DataFlow-MM/test", str(tmp_path / "gpu_pipelines"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for commands, folder in ((online, tmp_path / "gpu_pipelines"), (elsewhere, tmp_path)):
        done = subprocess.run(
            ["bash", "-euc", commands], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "0 failed" in done.stdout
        assert (folder / "cache_local/image_editing/contact_sheet.png").exists()


def test_its_sample_rows_and_result_have_the_form_we_read_and_write(server: LoopbackServer) -> None:
    code = block("python", "class ImageGenerationPipeline", "APIVLMServing_openai").replace(ADDRESS, server.url)
    sample = [json.loads(line) for line in block("jsonl", "./dataflow/example").splitlines()]
    promised = json.loads(block("jsonl", '"edited_images": [""]'))
    picture = Path("../example_data/image_gen/image_edit/image5.png").read_bytes()
    for row in sample:
        for name in row["images"]:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(picture)
    Path("rows.jsonl").write_text("".join(json.dumps({**row, "edited_images": [""]}) + "\n" for row in sample))
    code = code.replace("../example_data/image_gen/image_edit/prompts.jsonl", "rows.jsonl")
    run(code)["ImageGenerationPipeline"]().forward()

    rows = result_rows("./cache_local/image_editing")
    assert [set(row) for row in rows] == [set(promised)] * len(sample)
    assert all(Path(row["edited_images"][0]).exists() for row in rows)

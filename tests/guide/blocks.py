"""The guide's fenced blocks, and what its reader has in front of him when he runs them.

`blocks.md` holds the blocks and nothing else.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataflow.cli.init import init
from tests.kit.loopback import LoopbackServer

BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```$",
    (Path(__file__).parent / "blocks.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture
def gpu_pipelines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory as the guide leaves it: initialised, in gpu_pipelines/."""
    init(tmp_path)
    monkeypatch.chdir(tmp_path / "gpu_pipelines")
    monkeypatch.delenv("DF_BASE_URL", raising=False)
    monkeypatch.setenv("DF_API_KEY", "a-key-of-this-test")
    return tmp_path / "gpu_pipelines"


@pytest.fixture
def server(gpu_pipelines: Path) -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


def block(language: str, *words: str) -> str:
    """The one block of a language that holds all these words."""
    found = [body for kind, body in BLOCKS if kind == language and all(word in body for word in words)]
    assert len(found) == 1, f"{len(found)} blocks hold {words}"
    return found[0]


def changed(code: str, *changes: tuple[str, str]) -> str:
    """The code with each text replaced by another, which must be there."""
    for old, new in changes:
        assert old in code, f"the block does not hold {old!r}"
        code = code.replace(old, new)
    return code


def run(code: str, **names: object) -> dict[str, Any]:
    """What the code defines, run with these names around it."""
    exec(compile(code, "guide", "exec"), names)
    return names


def result_rows(cache: str, step: int = 1) -> list[dict[str, Any]]:
    lines = Path(cache, f"dataflow_cache_step_step{step}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]

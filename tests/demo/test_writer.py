"""What the demo writes, and what it refuses to write of."""

import asyncio
from pathlib import Path

import pytest

from dataflow.core.records import Job, Request
from dataflow.core.worker import Worker
from dataflow.demo.writer import DemoWriter
from dataflow.errors import FatalAnswer
from dataflow.operators.core_text import EditPromptGenerator
from dataflow.utils.storage import FileStorage


@pytest.mark.parametrize("prompt", ["Draw a cat.", "shipped"])
def test_it_writes_of_nothing_else(tmp_path: Path, prompt: str) -> None:
    writer: Worker = DemoWriter()
    if prompt == "shipped":
        with pytest.raises(FatalAnswer, match="only of its drawn world"):
            EditPromptGenerator(writer, n=1, mix={"weather": 1}).run(FileStorage(cache_path=tmp_path).step())
        return
    (answer,) = asyncio.run(writer.call([Job("0" * 32, Request(prompt, makes="text"))]))
    assert answer.error.kind == "fatal"

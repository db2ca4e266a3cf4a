"""What a process does that may have few files open: raise the limit, keep fewer in flight, wait for one to close."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Timer

import pytest

from dataflow.errors import NotStored
from dataflow.io.image import check_picture
from dataflow.utils.disk_retry import cannot_begin, not_stored
from dataflow.utils.open_files import connections_allowed, when_one_is_free
from tests.chaos.checks import ROOT, check_rows, write_prompts
from tests.kit.flow import draw
from tests.kit.loopback import LoopbackServer

EDITS = """
import json, resource, sys
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage

url, folder, soft, hard = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_NOFILE, (int(soft), int(hard)))
storage = FileStorage(folder + "/rows.jsonl", cache_path=folder + "/cache")
serving = APIVLMServing_openai(url, model_name="m", image_io=ImageIO(folder + "/cache/images"), max_workers=100)
summary = PromptedImageEditGenerator(serving).run(storage.step(), output_image_key="edited_images")
print(json.dumps([summary.failed, resource.getrlimit(resource.RLIMIT_NOFILE)[0]]))
"""


@contextmanager
def files_allowed(more: int) -> Iterator[None]:
    """This process may open so many more files, and not raise the limit."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/dev/fd"))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    while taken[-1] <= highest:  # the limit is one on numbers: none below it may be free
        taken.append(os.open(os.devnull, os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1] + 1 + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for number in taken:
            os.close(number)


@pytest.mark.parametrize(("soft", "hard"), [(64, 64), (64, 4096)])
def test_every_answer_is_paid_once_where_few_files_may_be_open(tmp_path: Path, soft: int, hard: int) -> None:
    rows = 120
    prompts = write_prompts(tmp_path, rows)
    with LoopbackServer(latency=0.2) as server:
        command = [sys.executable, "-c", EDITS, server.url, str(tmp_path), str(soft), str(hard)]
        made = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
        assert made.returncode == 0, made.stderr
        assert json.loads(made.stdout.splitlines()[-1]) == [0, hard]
        assert server.requests == rows
        assert 1 < server.peak <= (hard if hard == soft else 100)
    check_rows(tmp_path, prompts)


def test_a_picture_is_read_once_a_file_may_be_opened(tmp_path: Path) -> None:
    picture = draw(tmp_path / "a.png")
    with ExitStack() as held, files_allowed(3):
        taken = [held.enter_context(picture.open("rb")) for _ in range(3)]
        Timer(0.3, taken[0].close).start()
        assert check_picture(str(picture))[1:] == (8, 6)


def test_only_the_lack_of_files_is_waited_for(tmp_path: Path) -> None:
    calls = []

    def work() -> None:
        calls.append(0)
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(FileNotFoundError):
        when_one_is_free(work)
    assert len(calls) == 1


def test_connections_fit_into_what_is_left(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = connections_allowed()
    assert 1 <= allowed < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_words_name_the_limit_and_no_disk(tmp_path: Path) -> None:
    with ExitStack() as held, files_allowed(0):
        with pytest.raises(OSError) as caught:
            held.enter_context((tmp_path / "a").open("wb"))
        error = caught.value
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        said = str(not_stored(error)), str(cannot_begin(error, tmp_path))
    assert isinstance(not_stored(error), NotStored)
    for words in said:
        assert f"allow more open files (ulimit -n, now {limit}) or set max_workers" in words
        assert "space" not in words

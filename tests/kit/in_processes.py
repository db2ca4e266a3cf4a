"""Workers that are asked in processes of their own, from the test or from a script."""

import os
import subprocess
import sys
from pathlib import Path

from dataflow.core.records import Answer
from dataflow.pools.executor import LocalExecutor, call_directly
from tests.kit.apart import Apart
from tests.kit.flow import prompts_storage
from tests.kit.workers import asks

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from dataflow.utils.storage import FileStorage
from tests.kit.flow import Ask
{worker}
print("the script runs", flush=True)
folder, rows = sys.argv[1:3]
storage = FileStorage(rows, cache_path=folder + "/cache")
Ask(Mine(folder, **{settings})).run(storage.step())
print("done", flush=True)
"""


def ask(executor: LocalExecutor, worker: Apart, *prompts: str) -> list[Answer]:
    return call_directly(worker, asks(*prompts), executor=executor)


def parts(answers: list[Answer], at: int) -> list[str]:
    """Of each answer of an `Apart` its prompt (0), its device (1) or its process id (2)."""
    return [answer.text.split("|")[at] for answer in answers]


def start_script(folder: Path, prompts: list[str], worker: str, **settings: object) -> "subprocess.Popen[str]":
    """Start a user's script, whose worker `Mine` is defined by the line `worker`."""
    storage = prompts_storage(folder, prompts)
    (folder / "script.py").write_text(SCRIPT.format(worker=worker, settings=settings))
    command = [sys.executable, str(folder / "script.py"), str(folder), storage.first_entry_file_name]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

"""One floor a folder, imports downward only, as docs/architecture.md draws it; and what importing must not load."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "dataflow"

FLOORS = (
    "errors",
    "core taxonomy",
    "utils",
    "gates io journal models pools",
    "judging money quota serving testing",
    "calibration",
    "flow view",
    "operators",
    "demo export ingest shards",
    "cli",
    "executors scripts",
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}
# core/__init__ hands out OperatorABC, which the guide imports from there; a notebook shows storage and summary as HTML;
# `storage.overlapped()` runs steps.
UPWARD = {
    ("core/__init__.py", "dataflow.operators.base"),
    ("utils/storage.py", "dataflow.view.html"),
    ("utils/storage.py", "dataflow.view.grid"),
    ("utils/storage.py", "dataflow.flow.overlap"),
    ("flow/summary.py", "dataflow.view.html"),
}
HEAVY = ("torch", "diffusers", "transformers", "ray", "pandas", "openai", "PIL", "numpy")
INSIDE = sorted({path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")} - {"__init__.py"})


def room_of(path: str) -> str:
    return path.split("/")[0].removesuffix(".py")


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield str(node.module)


def test_every_folder_has_a_floor_and_none_is_empty() -> None:
    rooms = {room_of(path) for path in INSIDE}
    assert rooms == set(FLOOR), "give each folder its floor here and in docs/architecture.md"


@pytest.mark.parametrize("path", INSIDE)
def test_a_file_imports_only_lower_floors_or_its_own_folder(path: str) -> None:
    here = room_of(path)
    for name in imported_names(PACKAGE / path):
        top, _, inside = name.partition(".")
        assert top != "ray" or here == "executors", f"dataflow/{path} imports {name}"
        if top != "dataflow" or not inside or (path, name) in UPWARD:
            continue
        there = inside.split(".")[0]
        fits = there == here or FLOOR[there] < FLOOR[here]
        assert fits, f"dataflow/{path} (floor {FLOOR[here]}) imports {name} (floor {FLOOR[there]})"


@pytest.mark.parametrize(
    "statement",
    [
        "import dataflow",
        "import dataflow.operators.core_vision",
        "import dataflow.operators.core_text",
        "import dataflow.serving.template_writer",
        "import dataflow.serving.api_vlm_serving_openai, dataflow.serving.api_image_gen_serving",
        "import dataflow.serving.local_llm_serving, dataflow.serving.local_vlm_serving",
        "from dataflow.core import OperatorABC",
        "import dataflow.testing",
        "from dataflow.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass",
    ],
)
def test_importing_loads_nothing_heavy(statement: str) -> None:
    script = f"{statement}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"

"""Who may import whom, and what importing must not load; the table is that of docs/architecture.md."""

import ast
import fnmatch
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "dataflow"

# The first pattern that matches a file gives its room.
ROOMS = [
    ("errors.py", 0),
    ("core/records.py", 0),
    ("core/conversation.py", 0),
    ("core/worker.py", 0),
    ("core/retry.py", 0),
    ("core/loop.py", 0),
    ("core/twins.py", 0),
    ("utils/files.py", 0),
    ("utils/*", 1),
    ("core/executor.py", 1),
    ("core/pool.py", 1),
    ("core/breaker.py", 1),
    ("core/tickets.py", 1),
    ("core/gpus.py", 1),
    ("core/processes.py", 1),
    ("core/child.py", 1),
    ("core/child_process.py", 1),
    ("core/worker_process.py", 1),
    ("core/limits.py", 1),
    ("core/rates.py", 1),
    ("core/widths.py", 1),
    ("core/progress.py", 1),
    ("core/estimate.py", 1),
    ("io/*", 1),
    ("core/*", 2),
    ("taxonomy/*", 2),
    ("serving/*_serving*.py", 3),
    ("serving/local/serving.py", 3),
    ("serving/local/model.py", 3),
    ("serving/backends/__init__.py", 2),
    ("serving/backends/*", 3),
    ("serving/*", 2),
    ("operators/*", 3),
    ("demo/*", 4),
    ("view/*", 4),
    ("cli/*", 5),
]
HEAVY = ("torch", "diffusers", "transformers", "ray", "pandas", "openai", "PIL", "numpy")


def room_of(path: str) -> int:
    for pattern, room in ROOMS:
        if fnmatch.fnmatch(path, pattern):
            return room
    raise AssertionError(f"dataflow/{path} has no room: add it to ROOMS and to docs/architecture.md")


def modules() -> dict[str, str]:
    """Dotted name → path below the package, of every module but the package's own __init__."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE).as_posix()
        name = "dataflow." + inside.removesuffix(".py").replace("/", ".")
        found[name.removesuffix(".__init__")] = inside
    del found["dataflow.__init__" if "dataflow.__init__" in found else "dataflow"]
    return found


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = modules()


@pytest.mark.parametrize("path", sorted(MODULES.values()))
def test_a_module_imports_only_lower_rooms_or_its_own_folder(path: str) -> None:
    if path == "core/__init__.py":  # hands out OperatorABC lazily, from a higher room of its own folder
        return
    here, folder = room_of(path), Path(path).parts[0]
    for name in imported_names(PACKAGE / path):
        target = MODULES.get(name)
        if target is None or target.endswith("__init__.py"):
            continue
        there = room_of(target)
        own = (there == here and Path(target).parts[0] == folder) or target == "errors.py"
        assert there < here or own, f"dataflow/{path} (room {here}) imports dataflow/{target} (room {there})"


@pytest.mark.parametrize(
    "statement",
    [
        "import dataflow",
        "import dataflow.operators.core_vision",
        "import dataflow.operators.core_text",
        "import dataflow.taxonomy.template_writer",
        "import dataflow.serving.api_vlm_serving_openai, dataflow.serving.api_image_gen_serving",
        "import dataflow.serving.local_llm_serving, dataflow.serving.local_vlm_serving",
        "from dataflow.core import OperatorABC",
        "from dataflow.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass",
    ],
)
def test_importing_loads_nothing_heavy(statement: str) -> None:
    script = f"{statement}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_only_one_file_may_import_ray() -> None:
    users = [path for path in MODULES.values() if "ray" in set(imported_names(PACKAGE / path))]
    assert users in ([], ["executors/ray.py"])

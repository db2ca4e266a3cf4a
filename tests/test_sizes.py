"""How long a function and a file may be, and that each source file has its test file.

Docstrings, comments and blank lines do not count: nobody is to save on words.
"""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("dataflow", "gpu_pipelines", "benchmarks", "tests")
FUNCTION, OPERATOR, FILE, TEST = 40, 60, 300, 400  # lines
CONTRACT = "dataflow/operators/base.py"
VALUES_ALONE = {"dataflow/ingest/records.py"}
"""Source files that only declare values, and decide nothing that a test of their own could check."""


class Source:
    """The counts of one file. It keeps no syntax tree, which would slow the garbage collector in all later tests."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT).as_posix()
        code = [line.split("#")[0].strip() for line in text.splitlines()]
        self.lines = {number for number, line in enumerate(code, 1) if line}
        functions, self.classes = [], {}
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                self.lines -= within(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions.append(node)
            elif isinstance(node, ast.ClassDef):
                self.classes[node.name] = {ast.unparse(base).partition("[")[0] for base in node.bases}
        self.functions = {f"{name}:{node.lineno} {node.name}": len(self.lines & within(node)) for node in functions}


def within(node: ast.stmt) -> set[int]:
    assert node.end_lineno is not None
    return set(range(node.lineno, node.end_lineno + 1))


@cache
def files() -> dict[str, Source]:
    """Name → counts of every file. The first test reads them, not every worker that collects the tests."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): Source(path) for path in paths}


def operator_files() -> set[str]:
    """The files that define an operator: a class that derives from the contract's class, directly or not."""
    known = set(files()[CONTRACT].classes)
    shipped = {
        name: file.classes for name, file in files().items() if name.startswith("dataflow/") and name != CONTRACT
    }
    while more := {name for each in shipped.values() for name, bases in each.items() if bases & known} - known:
        known |= more
    return {name for name, each in shipped.items() if any(bases & known for bases in each.values())}


def test_no_function_is_longer_than_a_screen() -> None:
    sizes = {place: lines for file in files().values() for place, lines in file.functions.items()}
    assert {place: lines for place, lines in sizes.items() if lines > FUNCTION} == {}


def test_a_file_holds_one_idea() -> None:
    operators = operator_files()
    assert "dataflow/operators/core_vision/prompted_image_generator.py" in operators

    def most(name: str) -> int:
        return TEST if name.startswith("tests/") else OPERATOR if name in operators else FILE

    assert {name: len(file.lines) for name, file in files().items() if len(file.lines) > most(name)} == {}


def test_each_source_file_has_its_test_file() -> None:
    sources = {path.relative_to(ROOT) for path in (ROOT / "dataflow").rglob("*.py") if path.name != "__init__.py"}
    tests = {path: Path("tests", *path.parts[1:-1], f"test_{path.name}") for path in sources}
    untested = {path.as_posix() for path, test in tests.items() if not (ROOT / test).is_file()}
    assert untested == VALUES_ALONE

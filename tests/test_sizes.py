"""How long a function and a file may be. Docstrings, comments and blank lines are free: nobody is to save on words."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("dataflow", "gpu_pipelines", "benchmarks", "tests")
FUNCTION, OPERATOR, FILE, TEST = 40, 60, 300, 400  # lines
CONTRACT = "dataflow/operators/base.py"


class Source:
    """One file, its syntax tree and the numbers of the lines that count."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        self.name = path.relative_to(ROOT).as_posix()
        self.nodes = list(ast.walk(ast.parse(text)))
        code = [line.split("#")[0].strip() for line in text.splitlines()]
        self.lines = {number for number, line in enumerate(code, 1) if line}
        for node in self.nodes:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                self.lines -= within(node)

    def functions(self) -> dict[str, int]:
        """How many lines each has, by the place where it begins."""
        found = [node for node in self.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        return {f"{self.name}:{node.lineno} {node.name}": len(self.lines & within(node)) for node in found}

    def classes(self) -> dict[str, set[str]]:
        """The names of what each derives from."""
        found = [node for node in self.nodes if isinstance(node, ast.ClassDef)]
        return {node.name: {ast.unparse(base).partition("[")[0] for base in node.bases} for node in found}


def within(node: ast.stmt) -> set[int]:
    assert node.end_lineno is not None
    return set(range(node.lineno, node.end_lineno + 1))


FILES = {file.name: file for folder in FOLDERS for file in map(Source, sorted((ROOT / folder).rglob("*.py")))}


def operator_files() -> set[str]:
    """Those that define an operator: a class that derives, over however many steps, from the contract's."""
    known = set(FILES[CONTRACT].classes())
    shipped = {
        name: file.classes() for name, file in FILES.items() if name.startswith("dataflow/") and name != CONTRACT
    }
    while more := {name for each in shipped.values() for name, bases in each.items() if bases & known} - known:
        known |= more
    return {name for name, each in shipped.items() if any(bases & known for bases in each.values())}


def test_no_function_is_longer_than_a_screen() -> None:
    sizes = {place: lines for file in FILES.values() for place, lines in file.functions().items()}
    assert {place: lines for place, lines in sizes.items() if lines > FUNCTION} == {}


def test_a_file_holds_one_idea() -> None:
    operators = operator_files()
    assert "dataflow/operators/core_vision/prompted_image_generator.py" in operators

    def most(name: str) -> int:
        return TEST if name.startswith("tests/") else OPERATOR if name in operators else FILE

    assert {name: len(file.lines) for name, file in FILES.items() if len(file.lines) > most(name)} == {}

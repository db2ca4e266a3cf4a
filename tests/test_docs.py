"""Each fenced block of README and docs runs when it is pasted alone; what a page names is there."""

import inspect
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit.loopback import LoopbackServer

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "README.zh.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODEL = "ckpt/my-model"  # a tiny checkpoint, where a block has a model of one's own
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
FILE = re.compile(r"`((?:dataflow|tests|docs|benchmarks|gpu_pipelines|example_data|\.ci)/[\w./*-]+)`")
# What a block may call that is not ours; whether it is right, only a machine with these programs knows.
FOREIGN = {"pip", "git", "cp", "export", "source", "cd", "vllm", "sglang", "srun"}


def blocks(language: str) -> dict[str, str]:
    """All fenced blocks of a language: `page:line` of its first line → the block."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    found = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in fence.finditer(text):
            found[f"{page.relative_to(ROOT).as_posix()}:{text[: block.start(1)].count(chr(10)) + 1}"] = block[1]
    return found


PYTHON, BASH = blocks("python"), blocks("bash")


@pytest.fixture(autouse=True)
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder beside the example data, and an address and a key in the environment."""
    (tmp_path / "example_data").symlink_to(ROOT / "example_data")
    monkeypatch.chdir(tmp_path)
    with LoopbackServer(text="yes, it does") as server:
        monkeypatch.setenv("DF_BASE_URL", server.url)
        monkeypatch.setenv("DF_API_KEY", "a-key-of-this-test")
        yield


@pytest.mark.parametrize("place", PYTHON)
def test_python_block_runs_alone(place: str, tmp_path: Path, checkpoint: Callable[[str], Path]) -> None:
    if MODEL in PYTHON[place]:
        (tmp_path / MODEL).parent.mkdir()
        (tmp_path / MODEL).symlink_to(checkpoint("flux_img2img"))
    exec(compile(PYTHON[place], place, "exec"), {"__name__": "docs"})


def test_block_of_the_journal_alone_pays_for_each_question_once(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = [text for place, text in PYTHON.items() if place.startswith("docs/three-parts.md") and "Journal" in text]
    for _ in range(2):
        exec(compile(block, "three-parts", "exec"), {"__name__": "docs"})
    assert capsys.readouterr().out.count("paid:") == 3


def test_python_blocks_define_every_name_that_they_use(tmp_path: Path) -> None:
    for number, block in enumerate(PYTHON.values()):
        (tmp_path / f"block_{number}.py").write_text(block, encoding="utf-8")
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "F",
        *sorted(map(str, tmp_path.glob("*.py"))),
    ]
    found = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page_says_where_its_blocks_run(page: Path) -> None:
    name = page.relative_to(ROOT).as_posix()
    own = [block for place, block in {**PYTHON, **BASH}.items() if place.rpartition(":")[0] == name]
    if any("example_data" in block or "gpu_pipelines" in block for block in own):
        assert "dataflowmm init" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("place", BASH)
def test_bash_block_calls_what_there_is(place: str) -> None:
    for line in BASH[place].replace("\\\n", " ").splitlines():
        words = [word for word in shlex.split(line, comments=True) if "=" not in word or word.startswith("-")]
        for command in " ".join(words).split(" && "):
            if command and command.split()[0] not in FOREIGN:
                check_command(*command.split())


def check_command(program: str, *arguments: str) -> None:
    """Fails where a command is not ours or has no such flag."""
    from dataflow.cli.main import _parser
    from dataflow.scripts.options import _parser as parser_of

    if program == "make":
        assert f"\n{arguments[0]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    elif program == "dataflowmm":
        _parser().parse_args(arguments)
    elif arguments[0] == "-m":
        module = ROOT / arguments[1].replace(".", "/")
        assert arguments[1] == "pytest" or module.with_suffix(".py").is_file(), arguments
    else:
        assert program == "python", f"{program} is no command of ours"
        assert (ROOT / arguments[0]).is_file(), f"no {arguments[0]} in the checkout"
        if arguments[0].startswith("gpu_pipelines/"):
            parser_of(runpy.run_path(str(ROOT / arguments[0]))["SCRIPT"]).parse_args(arguments[1:])


def test_no_sglang_of_the_docs_keeps_every_picture_on_its_disk() -> None:
    blocks_of_shells = [*BASH.values(), *blocks("sh").values()]
    commands = [line for block in blocks_of_shells for line in block.replace("\\\n", " ").splitlines()]
    starts = [shlex.split(command) for command in commands if "sglang serve" in command]
    assert len(starts) > 2
    for words in starts:
        assert all(words[words.index(flag) + 1] == "" for flag in ("--output-path", "--input-save-path")), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "SECURITY.md"], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_of_the_checkout_that_a_page_names_are_there(page: Path) -> None:
    for named in FILE.findall(page.read_text(encoding="utf-8")):
        assert "NAME" in named or any(ROOT.glob(named)), f"{page.name} names {named}"


def test_files_of_the_package_that_the_architecture_names_are_there() -> None:
    there = [path.as_posix() for folder in ("dataflow", "tests") for path in (ROOT / folder).rglob("*")]
    named = re.findall(r"`([\w/]+\.(?:py|yaml))`", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert len(named) > 50
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in there)] == []


def test_chinese_readme_leaves_nothing_out() -> None:
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))
    said = re.compile(r"`--\w+|\]\(([^)\s]+)\)|^(?:python|dataflowmm|make|pip|source) [^#\n]*\b", re.MULTILINE)
    wanted = {match[1] or match[0] for match in said.finditer(english)} - {"README.zh.md"}
    assert len(wanted) > 30
    assert {each for each in wanted if each not in chinese} == set()


def test_readme_has_the_prices_of_the_table() -> None:
    from dataflow.money.prices import read_prices

    shipped = read_prices(None)
    for page in ("README.md", "README.zh.md"):
        rows = re.findall(r"^\|.*`([\w.-]+)` \| ([\d.]+) \|$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        assert len(rows) > 1
        for model, price in rows:
            known = shipped.price(model)
            assert known is not None
            assert known.about_image == float(price), f"{page}: {model}"


def test_readme_is_read_in_two_minutes() -> None:
    text = re.sub(r"```.*?```|(?<=\])\([^)]*\)", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(text.split()) < 600


def test_chinese_pages_are_found_from_chinese_readme_and_from_each_other() -> None:
    pages = {page.name: page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "zh").glob("*.md")}
    for name in pages:
        assert f"](docs/zh/{name})" in (ROOT / "README.zh.md").read_text(encoding="utf-8")
        assert any(f"]({name})" in text for other, text in pages.items() if other != name), (
            f"no zh page links to {name}"
        )


def test_every_public_name_and_command_is_mentioned() -> None:
    import dataflow.errors as errors
    from dataflow import operators  # noqa: F401 - the package must import
    from dataflow.cli.main import _parser
    from dataflow.operators import core_text, core_vision

    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    own = [name for name, value in vars(errors).items() if getattr(value, "__module__", "") == errors.__name__]
    public = [name for name in own if name != "DataflowError" and not name.startswith("_")]
    assert len(public) > 12
    public += [*core_vision.__all__, *core_text.__all__]
    public += ["FileStorage", "ImageIO", "APIVLMServing_openai", "OperatorABC"]
    public += ["APIImageGenServing", "LocalLLMServing", "LocalVLMServing"]
    public += ["Dialect", "Provider", "ScriptedWorker", "image_server"]
    public += ["OneWaveOperator", "GeneratorOperator", "FilterOperator", "Side", "Worker", "Request", "Answer"]
    commands = next(action.choices for action in _parser()._actions if action.dest == "command")
    assert commands is not None
    missing = [name for name in public if name not in text]
    missing += [f"dataflowmm {name}" for name in commands if f"dataflowmm {name}" not in text]
    assert missing == []


def test_operators_page_has_every_argument_and_its_default() -> None:
    from dataflow.operators import core_text, core_vision

    page = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    sections = {part.partition("\n")[0]: part for part in page.split("\n## ")[1:]}
    for package in (core_vision, core_text):
        for name in package.__all__:
            operator = getattr(package, name)
            wanted = []
            for of, method in (("constructor", operator.__init__), ("`run`", operator.run)):
                for argument in list(inspect.signature(method).parameters.values())[1:]:
                    default = "needed" if argument.default is argument.empty else f"`{argument.default!r}`"
                    wanted.append((of, f"`{argument.name}`", default))
            rows = [tuple(line.split(" | ")[:3]) for line in sections[name].splitlines() if line.startswith("| ")]
            assert [(of.removeprefix("| "), *rest) for of, *rest in rows[1:]] == wanted, name
            assert f"`{package.__name__}`" in sections[name]

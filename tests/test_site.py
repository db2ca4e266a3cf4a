"""The pages that `make docs` builds the site of: each is found, and nothing is loaded from elsewhere."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from docs.site.check import defaults_without_value, loaded_from_elsewhere
from docs.site.prepare import prepare

ROOT = Path(__file__).parent.parent
SITE = ROOT / "docs" / "site"
NAMES = [
    name
    for page in sorted((ROOT / "docs" / "reference").glob("*.md"))
    for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
]


SECTION = re.compile(r"^(Args|Attributes):\n(.*?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)


def described(name: str) -> Iterator[Callable[..., object]]:
    """What the reference shows of a name: a function; a class and its public methods; of a module its classes."""
    module, _, last = name.rpartition(".")
    value = getattr(importlib.import_module(module), last)
    for owner in vars(value).values() if inspect.ismodule(value) else [value]:
        if not inspect.isclass(owner):
            yield from [owner] if owner is value else []
            continue
        yield owner
        yield from (each for key, each in vars(owner).items() if inspect.isfunction(each) and not key.startswith("_"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "pages"
    prepare(folder)
    return folder


def test_navigation_has_every_page_once(pages: Path) -> None:
    navigation = (SITE / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    named = re.findall(r"(\S+\.md)$", navigation, re.MULTILINE)
    written = {path.relative_to(pages).as_posix() for path in pages.rglob("*.md")}
    assert len(named) == len(set(named))
    assert set(named) == {name for name in written if not name.startswith("source/")}


def test_list_of_all_pages_has_every_english_page() -> None:
    listed = set(re.findall(r"\]\(([^)#:]+\.md)\)", (ROOT / "docs" / "README.md").read_text(encoding="utf-8")))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"} <= listed


def test_links_of_the_site_lead_to_files_of_the_site(pages: Path) -> None:
    led = 0
    for page in pages.rglob("*.md"):
        for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.relative_to(pages)} links to {target}"
            led += 1
    assert led > 300


def test_file_that_a_page_links_to_becomes_a_listing(pages: Path) -> None:
    assert "](source/dataflow/money/prices.yaml.md)" in (pages / "money.md").read_text(encoding="utf-8")
    listing = (pages / "source/dataflow/money/prices.yaml.md").read_text(encoding="utf-8")
    assert (ROOT / "dataflow/money/prices.yaml").read_text(encoding="utf-8") in listing


def test_page_names_itself_in_the_other_language(pages: Path) -> None:
    assert "languages: {en: quickstart.html, zh: zh/quickstart.html}" in (pages / "zh/quickstart.md").read_text("utf-8")
    assert "languages: {en: money.html, zh: zh/index.html}" in (pages / "money.md").read_text("utf-8")


def test_lines_of_chinese_are_joined_without_a_space(pages: Path) -> None:
    assert re.search(r"[\u4e00-\u9fff，]\n[\u4e00-\u9fff]", (ROOT / "README.zh.md").read_text(encoding="utf-8"))
    assert not re.search(r"[\u4e00-\u9fff，]\n[\u4e00-\u9fff]", (pages / "zh/index.md").read_text(encoding="utf-8"))


def test_page_of_commands_has_every_argument(pages: Path) -> None:
    from dataflow.cli.main import _parser

    page = (pages / "reference/commands.md").read_text(encoding="utf-8")
    commands = next(action.choices for action in _parser()._actions if action.dest == "command")
    assert isinstance(commands, dict)
    sections = {part.partition("\n")[0]: part for part in page.split("\n## ")[1:]}
    for name, parser in commands.items():
        for flag in re.findall(r"^  (--\w+)", parser.format_help(), re.MULTILINE):
            assert f"`{flag}" in sections[f"dataflowmm {name}"], f"{name} {flag}"
    assert "`--max_cost MAX_COST`" in sections["Flags of every example pipeline"]
    assert "`--tries TRIES`" in sections["image_editing_pipeline.py"]


@pytest.mark.parametrize("name", NAMES)
def test_name_of_the_reference_is_public_and_documented(name: str) -> None:
    module, _, last = name.rpartition(".")
    assert not any(part.startswith("_") for part in name.split("."))
    assert getattr(importlib.import_module(module), last).__doc__


@pytest.mark.parametrize("name", NAMES)
def test_docstring_names_the_arguments_that_there_are(name: str) -> None:
    for documented in described(name):
        text = inspect.cleandoc(documented.__doc__ or "")
        sections = {part[1]: re.findall(r"^    (\S.*?):", part[2], re.MULTILINE) for part in SECTION.finditer(text)}
        for section, names in sections.items():
            assert all(each.lstrip("*").isidentifier() for each in names), f"{documented}: one name a line in {section}"
        if named := {each.lstrip("*") for each in sections.get("Args", ())}:
            assert named <= set(inspect.signature(documented).parameters), documented


def test_reference_has_every_operator_error_and_stand_in() -> None:
    from dataflow import export, testing
    from dataflow.operators import core_text, core_vision

    wanted = [f"{each.__name__}.{name}" for each in (core_text, core_vision, export, testing) for name in each.__all__]
    assert set(wanted) <= set(NAMES)
    assert "dataflow.errors" in NAMES


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("script.html", '<script src="https://host.example/a.js"></script>'),
        ("style.html", "<link rel=stylesheet href='//host.example/a.css'>"),
        ("picture.html", '<img alt="a" src=http://host.example/a.png>'),
        ("fonts.css", '@import url("https://host.example/fonts.css");'),
        ("background.css", "body { background: url(https://host.example/a.png) }"),
    ],
)
def test_what_a_browser_would_load_from_elsewhere_is_found(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert [line.partition(":")[0] for line in loaded_from_elsewhere(tmp_path)] == [name]


def test_links_that_a_reader_follows_are_allowed(tmp_path: Path) -> None:
    page = '<a href="https://host.example/">there</a><img src="a.png"><script src="assets/a.js"></script>'
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    (tmp_path / "a.css").write_text("/* https://host.example */ a { background: url(a.png) }", encoding="utf-8")
    assert loaded_from_elsewhere(tmp_path) == []


def test_default_that_is_shown_by_its_name_is_found(tmp_path: Path) -> None:
    shown = '<span class="o">=</span> <span class="n">'
    page = f'{shown}THRESHOLD</span> {shown}<a href="#k">KEEP</a> {shown}LIMITS</span> <span class="o">=</span> 7.0'
    page += '<span class="o">=</span> <span class="p">(</span><span class="n">LEAST</span>, MOST)'
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference/page.html").write_text(page, encoding="utf-8")
    found = [line.removeprefix("reference/page.html: ") for line in defaults_without_value(tmp_path)]
    assert found == ["THRESHOLD", "KEEP", "LEAST"]

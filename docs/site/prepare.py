"""Write the pages of the docs site into build/pages, where a generator of sites makes html of them.

The pages of docs/ link to files of the repository as GitHub reads them. The site has no repository around it, so each
linked file becomes a page of the site: those of `MOVED` at a place of their own, every other file as a listing below
`source/`. Tables of commands come from the parsers that the commands themselves use. Nothing here knows the generator.
"""

import argparse
import re
import runpy
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

ROOT = Path(__file__).parents[2]
MOVED = {
    "README.md": "index.md",
    "README.zh.md": "zh/index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "docs/README.md": "pages.md",
    "benchmarks/README.md": "benchmarks.md",
    "dataflow/demo/model/README.md": "demo-model.md",
    "dataflow/view/page/icon.svg": "icon.svg",
    "docs/site/iframe-worker.js": "assets/iframe-worker.js",
    "docs/site/site.css": "assets/site.css",
}
"""File of the repository → its place in the site, for what lies outside docs/."""
_LINK = re.compile(r"(?<=\]\()(?!https?://|#)([^)#\s]+)")
_CHINESE_BREAK = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])\n(?=[\u3000-\u9fff\uff00-\uffef])")
"""The end of a line between two Chinese characters, which html would show as a space."""
_TABLES = re.compile(r"^<!-- (commands|pipelines) -->$", re.MULTILINE)


def prepare(pages: Path) -> None:
    """Write all pages anew.

    Args:
        pages: the folder; what is in it is removed.
    """
    shutil.rmtree(pages, ignore_errors=True)
    places = dict(MOVED)
    for path in sorted((ROOT / "docs").rglob("*")):
        source = path.relative_to(ROOT).as_posix()
        if path.is_file() and not source.startswith("docs/site/"):
            places.setdefault(source, source.removeprefix("docs/"))
    for page in [source for source in places if source.endswith(".md")]:
        for source in _linked_files(page):
            places.setdefault(source, _place_of_listing(source))
    for source, place in places.items():
        target = pages / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if place.startswith("source/") and place.endswith(".md"):
            target.write_text(_listing(source), encoding="utf-8")
        elif place.endswith(".md"):
            target.write_text(_page(source, places), encoding="utf-8")
        else:
            shutil.copyfile(ROOT / source, target)


def _linked_files(page: str) -> Iterator[str]:
    for target in _LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        source = _resolve(page, target)
        if (ROOT / source).is_file():
            yield source


def _resolve(page: str, target: str) -> str:
    """The path in the repository of what a page's link names."""
    return normpath(f"{PurePosixPath(page).parent}/{target}")


def _place_of_listing(source: str) -> str:
    is_picture = source.endswith((".png", ".jpg", ".svg"))
    return f"source/{source}" if is_picture else f"source/{source}.md"


def _listing(source: str) -> str:
    text = (ROOT / source).read_text(encoding="utf-8")
    if source.endswith(".md"):
        return text
    return f"# {source}\n\n```{PurePosixPath(source).suffix[1:]}\n{text}\n```\n"


def _page(source: str, places: dict[str, str]) -> str:
    """A page whose links lead to places of the site, with its tables, and the same page of each language named."""
    here = places[source]

    def lead(match: re.Match[str]) -> str:
        place = places.get(_resolve(source, match[1]))
        return match[1] if place is None else relpath(place, PurePosixPath(here).parent)

    text = _LINK.sub(lead, (ROOT / source).read_text(encoding="utf-8"))
    text = _TABLES.sub(lambda match: "\n".join(_commands() if match[1] == "commands" else _pipelines()), text)
    text = _CHINESE_BREAK.sub("", text)
    english = here.removeprefix("zh/")
    versions = {"en": (english, "index.md"), "zh": (f"zh/{english}", "zh/index.md")}
    there = set(places.values())
    links = [f"{language}: {(own if own in there else first)[:-3]}.html" for language, (own, first) in versions.items()]
    return f"---\nlanguages: {{{', '.join(links)}}}\n---\n\n{text}"


def _commands() -> Iterator[str]:
    """A section for each command of `dataflowmm`."""
    from dataflow.cli.main import _parser

    (commands,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    for choice in commands._choices_actions:
        yield f"## dataflowmm {choice.dest}\n\n{_sentence(choice.help or '')}\n"
        yield from _table(_rows(commands.choices[choice.dest]))


def _pipelines() -> Iterator[str]:
    """The flags that the example pipelines share, and a section for the others of each."""
    from dataflow.scripts.options import _parser

    files = sorted((ROOT / "gpu_pipelines").glob("*.py"))
    parsers = {path.name: _parser(runpy.run_path(str(path))["SCRIPT"]) for path in files}
    rows = {name: _rows(parser) for name, parser in parsers.items()}
    shared = set.intersection(*map(set, rows.values()))
    yield "## Flags of every example pipeline\n"
    yield from _table(row for row in next(iter(rows.values())) if row in shared)
    for name, parser in parsers.items():
        yield f"## {name}\n\n{_sentence((parser.description or '').partition(chr(10))[0])}\n"
        yield from _table(row for row in rows[name] if row not in shared)


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from ("| argument | meaning |", "|---|---|")
    yield from (f"| {name} | {meaning} |" for name, meaning in rows)
    yield ""


def _rows(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """How each argument is written, and what it means, as markdown in two cells of a table."""
    options = [each for each in parser._actions if each.help is not argparse.SUPPRESS and each.dest != "help"]
    return [(f"`{_name(each)}`".replace("|", r"\|"), _meaning(each)) for each in options]


def _name(option: argparse.Action) -> str:
    form = argparse.HelpFormatter(prog="")
    if not option.option_strings:
        return form._metavar_formatter(option, option.dest)(1)[0].upper()
    value = "" if option.nargs == 0 else form._format_args(option, option.dest.upper())
    return f"{option.option_strings[-1]} {value}".strip()


def _meaning(option: argparse.Action) -> str:
    meaning = argparse.HelpFormatter(prog="")._expand_help(option) if option.help else ""
    needed = "needed; " if option.required and option.option_strings else ""
    return re.sub(r"([|<*_])", r"\\\1", needed + meaning)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


if __name__ == "__main__":
    prepare(ROOT / "build" / "pages")

"""`dataflowmm clean`: remove pictures no step refers to, and what interrupted runs left half made.

What an unfinished step was answered is paid for and named by no file yet, so while there is one every picture stays.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from dataflow.cli.streams import say
from dataflow.core.words import count_of
from dataflow.errors import ConfigError
from dataflow.journal.journal import Journal
from dataflow.journal.lock import locked
from dataflow.utils.cache_folder import HIDDEN, CacheFolder, root_of, shards_in
from dataflow.utils.rowfiles import CACHE_TYPES, read_rows

_PICTURE = re.compile(r"[0-9a-f]{32}_\d+\.(png|jpg|webp)")
_STEP = re.compile(rf".+_step\d+\.({'|'.join(CACHE_TYPES)})")
_SIDE = re.compile(r".+_step\d+\.[a-z_]+\.jsonl")
_UNFINISHED = re.compile(_STEP.pattern + r"\.part")
_PART = re.compile(r".+_step\d+\..+\.part")  # another `.part` may be an import's that runs


def clean(cache_dir: Path, *, yes: bool = False) -> None:
    """Remove unreferenced pictures and temporary files, after asking.

    A picture stays if any row of any step file or side output names it, and as long as any step is unfinished. A
    request whose picture is removed is asked again, and paid again, if a later run wants it.

    Args:
        cache_dir: the `cache_path` of a FileStorage.
        yes: do not ask.

    Raises:
        ConfigError: this is no cache directory; it may not be read; nobody is there to be asked.
        CacheBusy: a run works in it.
    """
    if not os.access(cache_dir, os.R_OK | os.X_OK):
        raise ConfigError(f"{cache_dir} is not there or may not be read (looked from {Path.cwd()})")
    if not CacheFolder(cache_dir).path.is_dir():
        raise ConfigError(f"{cache_dir} is no cache directory: it has no {HIDDEN} folder")
    shards = [path for _, path in shards_in(cache_dir)]  # they share their pictures
    with locked(shards), Journal.opened(cache_dir, root_of(cache_dir)):
        folders = [cache_dir, *shards]
        unfinished = sorted(path for each in folders for path in each.iterdir() if _UNFINISHED.fullmatch(path.name))
        for path in unfinished:
            say(f"{path}: an unfinished step. Every picture stays until it has run to its end or this file is gone.")
        files = sorted(_unreferenced(folders, pictures=not unfinished))
        if not files:
            say(f"{cache_dir}: nothing to remove")
            return
        size = sum(path.stat().st_size for path in files)
        found = f"{count_of(len(files), 'file')} ({size / 1e6:.1f} MB)"
        say(f"{cache_dir}: {found} that no step refers to, such as {files[0]}")
        if not yes and not _agreed():
            say("Nothing removed.")
            return
        for path in files:
            path.unlink()
        say(f"Removed {count_of(len(files), 'file')}.")


def _agreed() -> bool:
    try:
        said = input("Remove them? A run that wants one of them back asks, and pays, for it again. [y/N] ")
    except EOFError:
        say()
        raise ConfigError("nobody is there to answer, and nothing was removed: give --yes to remove them") from None
    return said.strip().lower() in ("y", "yes")


def _unreferenced(folders: Sequence[Path], *, pictures: bool) -> Iterator[Path]:
    cache_dir, *_ = folders
    there = (path for folder in folders for path in folder.iterdir())
    files = [path for path in there if _STEP.fullmatch(path.name) or _SIDE.fullmatch(path.name)]
    named = {name for path in files for name in _names_in(path)}
    for folder, _, names in os.walk(cache_dir):
        for name in names:
            path = Path(folder) / name
            if HIDDEN in path.parts:
                continue
            temporary = name.startswith(".") and name.endswith(".tmp")
            left = _PART.fullmatch(name) is not None or (_PICTURE.fullmatch(name) is not None and name not in named)
            if temporary or (pictures and left):
                yield path


def _names_in(step_file: Path) -> Iterator[str]:
    """The file names of every picture that any field of any row mentions."""
    for _, row in read_rows(step_file):
        todo: list[object] = list(row.values())
        while todo:
            value = todo.pop()
            if isinstance(value, str):
                yield os.path.basename(value)  # noqa: PTH119 - a field, not always a path
            elif isinstance(value, dict):
                todo += value.values()
            elif isinstance(value, list):
                todo += value

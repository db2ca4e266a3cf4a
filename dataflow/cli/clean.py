"""`dataflowmm clean`: removes pictures that no step refers to, and files that interrupted runs left half made.

The pictures of an unfinished step are paid for, and no file names them yet. So every picture stays while a step is
unfinished.
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
_PART = re.compile(r".+_step\d+\..+\.part")  # any other `.part` may belong to an import that runs


def clean(cache_dir: Path, *, yes: bool = False) -> None:
    """Remove pictures that no step refers to, and temporary files, once the user has agreed.

    A picture stays if a row of a step file or side output names it, and while any step is unfinished. If a later run
    needs a removed picture, its request is sent, and paid, once more.

    Args:
        cache_dir: the `cache_path` of a FileStorage.
        yes: remove without a question.

    Raises:
        ConfigError: this is no cache directory, or it may not be read; no terminal is there to answer the question.
        CacheBusy: a run works in it.
    """
    if not os.access(cache_dir, os.R_OK | os.X_OK):
        raise ConfigError(f"{cache_dir} is not there or may not be read (looked from {Path.cwd()})")
    if not CacheFolder(cache_dir).path.is_dir():
        raise ConfigError(f"{cache_dir} is no cache directory: it has no {HIDDEN} folder")
    shards = [path for _, path in shards_in(cache_dir)]  # pictures of all shards lie together
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
    """Ask the user at the terminal.

    Raises:
        ConfigError: standard input is closed.
    """
    try:
        answer = input("Remove them? A run that wants one of them back asks, and pays, for it again. [y/N] ")
    except EOFError:
        say()
        raise ConfigError("nobody is there to answer, and nothing was removed: give --yes to remove them") from None
    return answer.strip().lower() in ("y", "yes")


def _unreferenced(folders: Sequence[Path], *, pictures: bool) -> Iterator[Path]:
    """The files to remove.

    Args:
        folders: the cache directory, then its shards.
        pictures: include pictures and parts of files; False: temporary files alone.
    """
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
            is_leftover = _PART.fullmatch(name) is not None or (
                _PICTURE.fullmatch(name) is not None and name not in named
            )
            if temporary or (pictures and is_leftover):
                yield path


def _names_in(step_file: Path) -> Iterator[str]:
    """The last part of every text in any field of any row: file names of pictures are among them."""
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

"""`dataflowmm clean`: remove pictures no step refers to, and what interrupted runs left half made."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from dataflow.errors import ConfigError
from dataflow.utils.journal import Journal
from dataflow.utils.rowfiles import CACHE_TYPES, read_rows

_PICTURE = re.compile(r"[0-9a-f]{32}_\d+\.(png|jpg|webp)")
_STEP = re.compile(rf".+_step\d+\.({'|'.join(CACHE_TYPES)})")


def clean(cache_dir: Path, *, yes: bool = False) -> None:
    """Remove unreferenced pictures, part files and temporary files, after asking.

    A picture stays if any row of any step file names it. A request whose picture is removed is asked
    again only if a later run wants it.

    Args:
        cache_dir: the `cache_path` of a FileStorage.
        yes: do not ask.

    Raises:
        ConfigError: this is no cache directory.
        CacheBusy: a run works in it.
    """
    if not (cache_dir / ".dataflow").is_dir():
        raise ConfigError(f"{cache_dir} is no cache directory: it has no .dataflow folder")
    with Journal.opened(cache_dir):
        files = sorted(_unreferenced(cache_dir))
        if not files:
            print(f"{cache_dir}: nothing to remove")
            return
        size = sum(path.stat().st_size for path in files)
        print(f"{cache_dir}: {len(files)} files ({size / 1e6:.1f} MB) that no step refers to, such as {files[0]}")
        if not yes and input("Remove them? [y/N] ").strip().lower() not in ("y", "yes"):
            print("Nothing removed.")
            return
        for path in files:
            path.unlink()
        print(f"Removed {len(files)} files.")


def _unreferenced(cache_dir: Path) -> Iterator[Path]:
    named = {name for path in cache_dir.iterdir() if _STEP.fullmatch(path.name) for name in _names_in(path)}
    for folder, _, names in os.walk(cache_dir):
        for name in names:
            path = Path(folder) / name
            if ".dataflow" in path.parts:
                continue
            unfinished = name.endswith(".part") or (name.startswith(".") and name.endswith(".tmp"))
            if unfinished or (_PICTURE.fullmatch(name) and name not in named):
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

"""Makes an export in `DIR.part` and renames it to DIR at the end, so DIR is complete or does not exist."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataflow.errors import ConfigError, NotStored
from dataflow.utils.files import sync_folder

_MARK = ".dataflow-export"  # only a folder with this file is ever emptied; the export that works there locks the file


def check_target(target: Path) -> None:
    """Check that an export may be written to a folder, and make the folder's parent.

    Args:
        target: absolute path of the folder.

    Raises:
        ConfigError: the folder exists and is not empty, is a link or a mount, has a name that no folder or no list of
            a trainer can hold, or its parent cannot be made.
    """
    if odd := sorted(set(str(target)) & set("\"'\\\n")):
        raise ConfigError(f"{target} has {odd[0]!r} in it, which lists of trainers cannot hold: name another --out")
    _check_name(target)
    if target.is_symlink() or target.is_mount():  # no folder can be renamed to a link or a mount
        kind = "a link" if target.is_symlink() else "where a disk is mounted"
        raise ConfigError(f"{target} is {kind}, and an export makes its folder itself: name one below it")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} is there already: name another --out, or remove it first")
    if not os.path.lexists(target.parent) or not target.parent.is_dir():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{target.parent} cannot be made: {error.strerror}; name another --out") from None


def _check_name(target: Path) -> None:
    try:
        os.lstat(f"{target}.part")
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(target)!r:.100} is no name of a folder: {error!s:.40}; name another --out") from None


@contextmanager
def unfinished_export(target: Path) -> Iterator[Path]:
    """The folder `DIR.part` in which an export is made; the remains of a killed export are removed first.

    The folder is renamed to `target` at the end of the block, and removed if the block raises.

    Args:
        target: absolute path of the finished export, which `check_target` has passed.

    Raises:
        ConfigError: another export writes there now, or a folder of another program is in the way.
        NotStored: the disk is full or fails.
    """
    part = target.with_name(f"{target.name}.part")
    if part.exists() and not (part / _MARK).exists():
        raise ConfigError(f"{part} is in the way, and no export made it: move it, or name another --out")
    try:
        part.mkdir(exist_ok=True)
        mark = os.open(part / _MARK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise ConfigError(f"{part} cannot be written: {error.strerror}; name another --out") from None
    try:
        try:  # the kernel releases the lock of a killed process, so its folder can be emptied and used again
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"another export writes {part}: wait for it, or name another --out") from None
        yield from _renamed_at_the_end(part, target)
    finally:
        os.close(mark)


def _renamed_at_the_end(part: Path, target: Path) -> Iterator[Path]:
    _empty(part)
    try:
        yield part
        part.rename(target)
        (target / _MARK).unlink()  # after the rename: until then the mark shows that the folder is unfinished
        sync_folder(target.parent)
    except OSError as error:
        raise NotStored(
            f"{error.filename or part} could not be written: {error.strerror}; nothing was exported"
        ) from error
    finally:
        if part.exists():
            shutil.rmtree(part, ignore_errors=True)


def _empty(part: Path) -> None:
    for path in part.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != _MARK:
            path.unlink()

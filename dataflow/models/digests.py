"""Identify a local checkpoint by its contents: the same weights in another folder are the same model.

Digesting 24 GB takes half a minute, so the digest of each file is kept in the user's cache folder, under the file's
path and stamp (size and time). Where that folder cannot be written, digests are computed again.
"""

import hashlib
import logging
import threading
from collections.abc import Iterable
from pathlib import Path

import orjson

from dataflow.utils.files import sha256_of_file, stamp_of, user_cache, write_atomic

log = logging.getLogger(__name__)

_LARGE = 1 << 30
_lock = threading.Lock()


def digest_files(root: Path, files: Iterable[Path]) -> str:
    """One digest, in hex, of the names and contents of some files.

    Args:
        root: the folder that the names are relative to.
        files: paths below `root`, in a fixed order.
    """
    with _lock:
        known = _remembered()
        before = len(known)
        total = hashlib.sha256()
        for path in files:
            content = _digest_file(path, known)
            total.update(f"{path.relative_to(root).as_posix()}\0{content}\n".encode())
        if len(known) != before:
            _remember(known)
    return total.hexdigest()


def _digest_file(path: Path, known: dict[str, str]) -> str:
    stat = path.stat()
    key = f"{path.resolve()}|{stamp_of(stat)}"
    if key not in known:
        if stat.st_size > _LARGE:
            log.info("reading %s (%.1f GB) once, to tell this model from others", path, stat.st_size / 1e9)
        known[key] = sha256_of_file(str(path))
    return known[key]


def _store() -> Path:
    return user_cache() / "digests.json"


def _remembered() -> dict[str, str]:
    try:
        content = orjson.loads(_store().read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(known: dict[str, str]) -> None:
    try:
        write_atomic(_store(), orjson.dumps(known))
    except OSError as error:
        log.debug("digests are not remembered: %s", error)

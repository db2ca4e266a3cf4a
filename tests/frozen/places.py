"""A cache that knows no machine: its paths and its server's port become words, and become a path and a port again.

The crc of a journal's lines is made anew, here rather than by the library, whose form of a line is what is frozen.
"""

import hashlib
import json
import re
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE, PORT = b"@HERE@", b"@PORT@"
OWNER = "owner"  # the name of a folder of batches, which digests the address and so the port
_WORDS = (".json", ".jsonl", ".part", ".csv", ".done")
_ROOT = Path(__file__).parents[2]
_DERIVED = ("index.sqlite", "lock")
_CRC = re.compile(rb',"crc":"[0-9a-f]{8}"}\n$')


def copy(source: Path, target: Path, words: Mapping[bytes, bytes]) -> None:
    """Copy a folder, other words in its texts; what a library derives and a run holds open stays behind."""
    for path in sorted(source.rglob("*")):
        to = target / path.relative_to(source)
        if path.is_dir():
            to.mkdir(parents=True, exist_ok=True)
        elif path.name.startswith(_DERIVED):
            continue
        elif path.name == "journal.jsonl":
            lines = path.read_bytes().splitlines(keepends=True)
            to.write_bytes(b"".join(sealed(replaced(line, words)) for line in lines))
        elif path.name.endswith(_WORDS):
            to.write_bytes(replaced(path.read_bytes(), words))
        else:
            shutil.copyfile(path, to)


def replaced(text: bytes, words: Mapping[bytes, bytes]) -> bytes:
    for old, new in words.items():
        text = text.replace(old, new)
    return text


def sealed(line: bytes) -> bytes:
    """A journal's line with the crc32 of what stands before it."""
    body = _CRC.sub(b"", line)
    assert body != line, line
    return b'%b,"crc":"%08x"}\n' % (body, zlib.crc32(body))


def pack(here: Path, fixture: Path, port: int | None) -> None:
    """Make a fixture of what a run left in `here`, answered by a server at this port."""
    shutil.rmtree(fixture, ignore_errors=True)
    fixture.mkdir(parents=True)
    ports = {} if port is None else {b"127.0.0.1:%d" % port: b"127.0.0.1:" + PORT}
    copy(here, fixture, {str(here).encode(): HERE, str(_ROOT).encode(): b"/installed", **ports})
    for batches in fixture.rglob(".batches"):
        for folder in batches.iterdir():
            folder.rename(batches / OWNER)


def unpack(fixture: Path, here: Path, port: int) -> None:
    """Put a fixture into `here` as if it had been made there, by a server at this port."""
    copy(fixture, here, {HERE: str(here).encode(), PORT: b"%d" % port})
    for folder in here.rglob(f".batches/{OWNER}"):
        record = next(folder.glob("*.json"))
        folder.rename(folder.with_name(owner_name(json.loads(record.read_bytes())["owner"])))


def owner_name(owner: Mapping[str, Any]) -> str:
    """The folder of one account's batches."""
    named = json.dumps(owner, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(named.encode()).hexdigest()[:16]

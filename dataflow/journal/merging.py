"""Puts the journals of shards together: lines are content with a crc of its own, so they are copied as they are.

Failures alone are marked: rows that ask the same may lie apart, and one that was answered is not to lose its answer.
A shard's journal begins with the answers that the directory above it has, between two `seed` lines: so rows that were
asked without shards, or in another number of them, are not asked again, and each has its part of what they cost. The
merge passes over these. After the lines of a shard stands one `shard` line that says how much of which journal they
are, so that merging again copies only what a shard has written since. Readers pass over both kinds, those of earlier
versions too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dataflow.core.records import JSON
from dataflow.core.shard import shard_of_folder
from dataflow.errors import ConfigError, JournalDamaged
from dataflow.journal.lines import (
    HEADER_LENGTH,
    decode_line,
    encode_line,
    header_name,
    is_whole,
    line_number,
    may_be_torn,
    new_header,
)
from dataflow.journal.lock import check_idle
from dataflow.journal.totals import Money
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.files import rename_durably

_SHARD, _SEED, _CURRENCY, _FAIL = b'{"t":"shard"', b'{"t":"seed"', b'{"t":"currency"', b'{"t":"fail"'
_SEEDS = (b'{"t":"start"', b'{"t":"got"', _FAIL, _CURRENCY)
_COST = b',"cost":'


def begin_journal(cache_path: Path, root: Path) -> bool:
    """Begin the journal of a shard with what the directory above it was answered; whole or not at all.

    Args:
        cache_path: of a shard, which holds its lock.
        root: the directory above it, of whose costs each shard has a part.

    Returns:
        Whether it did: the shard has no journal yet, and that directory has one.

    Raises:
        CacheBusy: a run without a shard works there.
        ConfigError, JournalDamaged: its journal cannot be read.
        OSError: the disk does not take it.
    """
    check_idle(root)
    journal, above = CacheFolder(cache_path).journal, CacheFolder(root).journal
    if journal.exists() or not above.exists():
        return False
    with _in_the_making(journal) as (part, file):
        seed: dict[str, JSON] = {"t": "seed", "journal": _name_of(above)[0]}
        file.write(new_header() + encode_line(seed))
        file.writelines(line for line in _lines(above, 0) if line.startswith(_SEEDS))
        shard = shard_of_folder(cache_path.name)
        file.write(encode_line({**seed, "shards": shard.count if shard else 1}))
        file.close()
        rename_durably(part, journal)
    return True


@contextmanager
def _in_the_making(journal: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file of one name beside a journal, which a killed process leaves to the next one and an error to nobody."""
    part = journal.with_name(f"{journal.name}.part")
    try:
        with part.open("wb", buffering=1 << 20) as file:
            yield part, file
    finally:
        part.unlink(missing_ok=True)


def _name_of(journal: Path) -> tuple[str, int]:
    """Its name, and how long the line is that says it."""
    with journal.open("rb") as file:
        header = file.readline(HEADER_LENGTH)
    return header_name(header, journal), len(header)


def merge_journals(root: Path, shards: Sequence[Path]) -> int:
    """Make `root`'s journal hold all lines of the shards' journals, beside those it has; whole or not at all.

    Args:
        root: the cache directory that the shards are merged into; the caller holds its lock, and those of the shards.
        shards: their cache directories.

    Returns:
        Bytes that were copied; 0 where it had all of them.

    Raises:
        ConfigError: they have costs in different currencies; one of a newer version.
        JournalDamaged: a line cannot be trusted.
        OSError: the disk does not take it.
    """
    journal = CacheFolder(root).journal
    merging = _Merging()
    with _in_the_making(journal) as (part, file):
        merging.begin(file, journal)
        copied = sum(merging.copy(file, shard) for shard in shards)
        file.close()
        if copied:
            rename_durably(part, journal)
    return copied


class _Merging:
    """What one merge has seen so far."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, int]] = {}  # folder → its journal's name, and how much of that is merged
        self._currencies: dict[str, str] = {}
        self._name = ""

    def begin(self, file: BinaryIO, journal: Path) -> None:
        """Take what the merged journal has already."""
        if not journal.exists():
            file.write(new_header())
            return
        self._name, _ = _name_of(journal)
        for line in _lines(journal, 0):
            file.write(line)
            self._look_at(line, "the cache directory itself")
            if line.startswith(_SHARD) and (entry := decode_line(line)) is not None:
                self._known[str(entry["folder"])] = (str(entry["journal"]), int(entry["bytes"]))

    def copy(self, file: BinaryIO, shard: Path) -> int:
        """Add what is new of a shard; how many bytes that is."""
        path = CacheFolder(shard).journal
        if not path.exists():  # a step that asked nothing has one; one of rows written by hand has none
            return 0
        name, begin = _name_of(path)
        before, size = self._known.get(shard.name, (name, 0))
        end = begin = max(size, begin) if before == name else begin
        copied, is_seed = 0, False
        for line in _lines(path, begin):
            end += len(line)
            if line.startswith(_SEED):
                is_seed = not is_seed and (decode_line(line) or {}).get("journal") == self._name
                continue
            if not is_seed:
                copied += file.write(_merged(line))
            if not is_seed or line.startswith(_CURRENCY):
                self._look_at(line, shard.name)
        if end > begin:
            entry: dict[str, JSON] = {"t": "shard", "folder": shard.name, "journal": name, "bytes": end}
            file.write(encode_line(entry))
        self._known[shard.name] = (name, end)
        return copied

    def _look_at(self, line: bytes, where: str) -> None:
        if line.startswith(_CURRENCY) and (entry := decode_line(line)) is not None:
            self._currencies[where] = str(entry["name"])
        elif _COST in line:
            self._currencies.setdefault(where, Money().currency)
        else:
            return
        if len({*self._currencies.values()}) > 1:
            said = ", ".join(f"{name} of {where}" for where, name in self._currencies.items())
            raise ConfigError(f"there are costs in several currencies, {said}: they have no sum")


def _merged(line: bytes) -> bytes:
    """A line as it is copied: of a failure it says that it is one of a shard, where others may have an answer."""
    if not line.startswith(_FAIL) or (entry := decode_line(line)) is None:
        return line
    return encode_line({**entry, "merged": True})


def _lines(path: Path, offset: int) -> Iterator[bytes]:
    """The lines of a journal from an offset on, but for a torn last one.

    Raises:
        JournalDamaged: a line before the last is damaged.
    """
    torn = None
    with path.open("rb", buffering=1 << 20) as file:
        file.seek(offset)
        for line in file:
            if torn is None and is_whole(line):
                offset += len(line)
                yield line
            elif torn is None and may_be_torn(line):
                torn = offset
            else:
                raise JournalDamaged(
                    f"{path}:{line_number(path, offset)}: this line is damaged, and lines follow it: run that shard"
                    f" again, which says what mends it"
                )

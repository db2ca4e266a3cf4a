"""Merges the journals of shards into the journal of the cache directory above them.

Each line has a crc of its own and says the same in any journal, so lines are copied as they are. Only `fail` lines are
marked as `merged`: a request may have failed in one shard and be answered in another, and the answer counts.

A shard's journal begins with a copy of the answers of the directory above it, between two `seed` lines. So rows that
were asked without shards, or in another number of shards, are not asked again, and each shard bears its part of their
cost. The merge skips that copy.

Behind the lines of a shard the merge writes one `shard` line, which says how much of which journal they are: merging
again copies only what the shard wrote since. Every version of the journal's reader skips `seed` and `shard` lines.
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
    """Begin the journal of a shard with the answers of the directory above it; whole or not at all.

    Args:
        cache_path: of the shard; the caller holds its lock.
        root: the cache directory above it.

    Returns:
        Whether a journal was written: the shard had none, and the directory above it has one.

    Raises:
        CacheBusy: a run without a shard works in `root`.
        ConfigError: a newer version wrote the journal of `root`.
        JournalDamaged: a line of that journal is damaged.
        OSError: the disk does not take the file.
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
    """A file in the making beside a journal: an error removes it, and the next process overwrites a killed one's."""
    part = journal.with_name(f"{journal.name}.part")
    try:
        with part.open("wb", buffering=1 << 20) as file:
            yield part, file
    finally:
        part.unlink(missing_ok=True)


def _name_of(journal: Path) -> tuple[str, int]:
    """The name of a journal, and the length of its first line in bytes."""
    with journal.open("rb") as file:
        header = file.readline(HEADER_LENGTH)
    return header_name(header, journal), len(header)


def merge_journals(root: Path, shards: Sequence[Path]) -> int:
    """Copy the lines of the shards' journals behind those of `root`'s journal; all of them or none.

    Args:
        root: the cache directory that the shards are merged into; the caller holds its lock and those of the shards.
        shards: the cache directories of the shards.

    Returns:
        How many bytes were copied; 0 if `root`'s journal had all lines already.

    Raises:
        ConfigError: the journals have costs in different currencies, or a newer version wrote one of them.
        JournalDamaged: a line of a journal is damaged.
        OSError: the disk does not take the file.
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
    """The state of one merge: what of each shard was merged before, and the currencies that were seen."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, int]] = {}  # folder → name of its journal, bytes of it that are merged
        self._currencies: dict[str, str] = {}  # where costs stand, for the error → their currency
        self._name = ""

    def begin(self, file: BinaryIO, journal: Path) -> None:
        """Copy the journal of the directory itself, and note what of the shards it has already."""
        if not journal.exists():
            file.write(new_header())
            return
        self._name, _ = _name_of(journal)
        for line in _lines(journal, 0):
            file.write(line)
            self._check_currency(line, "the cache directory itself")
            if line.startswith(_SHARD) and (entry := decode_line(line)) is not None:
                self._known[str(entry["folder"])] = (str(entry["journal"]), int(entry["bytes"]))

    def copy(self, file: BinaryIO, shard: Path) -> int:
        """Copy the lines of a shard that are not merged yet; returns how many bytes that is."""
        path = CacheFolder(shard).journal
        if not path.exists():  # all rows of the shard were written by hand
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
                self._check_currency(line, shard.name)
        if end > begin:
            entry: dict[str, JSON] = {"t": "shard", "folder": shard.name, "journal": name, "bytes": end}
            file.write(encode_line(entry))
        self._known[shard.name] = (name, end)
        return copied

    def _check_currency(self, line: bytes, where: str) -> None:
        """Note the currency that a line has costs in.

        Raises:
            ConfigError: costs were seen in another currency.
        """
        if line.startswith(_CURRENCY) and (entry := decode_line(line)) is not None:
            self._currencies[where] = str(entry["name"])
        elif _COST in line:
            self._currencies.setdefault(where, Money().currency)
        else:
            return
        if len({*self._currencies.values()}) > 1:
            currencies = ", ".join(f"{name} of {where}" for where, name in self._currencies.items())
            raise ConfigError(f"there are costs in several currencies, {currencies}: they have no sum")


def _merged(line: bytes) -> bytes:
    """The line as the merge copies it: a `fail` line is marked, since another shard may have an answer."""
    if not line.startswith(_FAIL) or (entry := decode_line(line)) is None:
        return line
    return encode_line({**entry, "merged": True})


def _lines(path: Path, offset: int) -> Iterator[bytes]:
    """The whole lines of a journal from an offset on, without a torn last line.

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

"""Puts the journals of shards together: lines are content with a crc of its own, so they are copied as they are.

After the lines of a shard stands one `shard` line that says how much of which journal they are, so that merging again
copies only what a shard has written since. Readers pass over it, those of earlier versions too.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from dataflow.core.records import JSON
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
from dataflow.journal.totals import Money
from dataflow.utils.cache_folder import CacheFolder
from dataflow.utils.files import rename_durably

_SHARD, _CURRENCY = b'{"t":"shard"', b'{"t":"currency"'
_COST = b',"cost":'


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
    folder = CacheFolder(root)
    part = folder.journal.with_name(f"{folder.journal.name}.part")
    merging = _Merging()
    with part.open("wb", buffering=1 << 20) as file:
        merging.begin(file, folder.journal)
        copied = sum(merging.copy(file, shard) for shard in shards)
    if copied:
        rename_durably(part, folder.journal)
    else:
        part.unlink()
    return copied


class _Merging:
    """What one merge has seen so far."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, int]] = {}  # folder → its journal's name, and how much of that is merged
        self._currencies: dict[str, str] = {}

    def begin(self, file: BinaryIO, journal: Path) -> None:
        """Take what the merged journal has already."""
        if not journal.exists():
            file.write(new_header())
            return
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
        with path.open("rb") as journal:
            name = header_name(header := journal.readline(HEADER_LENGTH), path)
        before, size = self._known.get(shard.name, (name, 0))
        end = begin = max(size, len(header)) if before == name else len(header)
        for line in _lines(path, begin):
            file.write(line)
            end += len(line)
            self._look_at(line, shard.name)
        if end > begin:
            entry: dict[str, JSON] = {"t": "shard", "folder": shard.name, "journal": name, "bytes": end}
            file.write(encode_line(entry))
        self._known[shard.name] = (name, end)
        return end - begin

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

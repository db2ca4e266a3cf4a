"""A mix of what was accepted: as many rows as the shares allow, and of each kind those with the least digests.

Nothing is made up and nothing repeated: the kind that is rarest for its share decides how many rows there are.
"""

import hashlib
from array import array
from collections.abc import Mapping

from dataflow.errors import ConfigError
from dataflow.export.records import Record
from dataflow.taxonomy.mix import counts_of, read_mix

_MOST = 1e9  # of a part, so that sums of them stay numbers


def read_parts(text: str) -> dict[str, float]:
    """A mix as a flag says it: `add=30,style=20`.

    Raises:
        ConfigError: it is said otherwise, or a part is not above 0.
    """
    parts = read_mix(text)
    if len(parts) <= text.count(","):
        raise ConfigError(f"--mix {text!r}: a name stands there twice: give each its part once")
    for name, part in parts.items():
        if not name or not 0 < part <= _MOST:
            raise ConfigError(
                f"--mix {text!r}: {name!r} has no part above 0 and up to 1e9: leave it out, and none of it goes out"
            )
    return parts


class Mix:
    """First told all records, then asked about them.

    Args:
        parts: operation or group → its part; empty: all go out.
    """

    def __init__(self, parts: Mapping[str, float]) -> None:
        self._parts = parts
        self._digests = {name: array("Q") for name in parts}
        self._most: dict[str, int] = {}

    def note(self, record: Record) -> None:
        """A record may go out."""
        if (name := self._name_of(record)) is not None:
            self._digests[name].append(_digest(record))

    def settle(self) -> None:
        """All records are told.

        Raises:
            ConfigError: of one kind there is none, so there is no such mix.
        """
        if not self._parts:
            return
        there = {name: len(digests) for name, digests in self._digests.items()}
        if missing := [name for name, count in there.items() if not count]:
            raise ConfigError(f"--mix: no row that goes out has the operation or group {missing[0]!r}: leave it out")
        total = sum(self._parts.values())
        rows = int(min(there[name] * total / part for name, part in self._parts.items()))
        wanted = counts_of(self._parts, rows)
        while any(wanted[name] > there[name] for name in there):  # rounding
            rows -= 1
            wanted = counts_of(self._parts, rows)
        for name, digests in self._digests.items():
            self._most[name] = sorted(digests)[wanted[name] - 1] if wanted[name] else -1

    def takes(self, record: Record) -> bool:
        """Whether a record that was noted goes out."""
        if not self._parts:
            return True
        name = self._name_of(record)
        return name is not None and _digest(record) <= self._most[name]

    def _name_of(self, record: Record) -> str | None:
        """The part that a record is of: its operation before its group."""
        return next((name for name in (record.sub_type, record.edit_type) if name in self._digests), None)


def _digest(record: Record) -> int:
    return int.from_bytes(hashlib.blake2b(record.id.encode(errors="replace"), digest_size=8).digest(), "big")

"""Chooses rows so that operations have the shares of `--mix`, and as many rows as these shares allow.

No row is repeated: the operation that is rarest for its share decides how many rows go out. Of each operation those
rows go out whose ids have the smallest digests, so the same rows go out in every run.
"""

import hashlib
from array import array
from collections.abc import Mapping

from dataflow.errors import ConfigError
from dataflow.export.records import Record
from dataflow.taxonomy.mix import counts_of, read_mix

_MOST = 1e9  # the largest part, so that the sum of all parts is a finite number


def read_parts(text: str) -> dict[str, float]:
    """Read the flag `--mix`, such as `add=30,style=20`: operation or group → its part of the sum of parts.

    Raises:
        ConfigError: the text has another form, a part is not above 0, or a name stands there twice.
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
    """Chooses the records of a mix: `note` every record, then `settle`, then ask `takes`.

    Args:
        parts: operation or group → its part of the sum of parts; empty: every record goes out.
    """

    def __init__(self, parts: Mapping[str, float]) -> None:
        self._parts = parts
        self._digests = {name: array("Q") for name in parts}
        self._limits: dict[str, int] = {}

    def note(self, record: Record) -> None:
        """Count a record that may go out."""
        if (name := self._name_of(record)) is not None:
            self._digests[name].append(_digest(record))

    def settle(self) -> None:
        """Decide how many records of each part go out, once all are noted.

        Raises:
            ConfigError: no record has one of the named operations or groups.
        """
        if not self._parts:
            return
        counts = {name: len(digests) for name, digests in self._digests.items()}
        if missing := [name for name, count in counts.items() if not count]:
            raise ConfigError(f"--mix: no row that goes out has the operation or group {missing[0]!r}: leave it out")
        total = sum(self._parts.values())
        rows = int(min(counts[name] * total / part for name, part in self._parts.items()))
        wanted = counts_of(self._parts, rows)
        while any(wanted[name] > counts[name] for name in counts):  # rounding up may want one row too many
            rows -= 1
            wanted = counts_of(self._parts, rows)
        for name, digests in self._digests.items():
            self._limits[name] = sorted(digests)[wanted[name] - 1] if wanted[name] else -1  # -1: below every digest

    def takes(self, record: Record) -> bool:
        """Whether a record that was noted goes out."""
        if not self._parts:
            return True
        name = self._name_of(record)
        return name is not None and _digest(record) <= self._limits[name]

    def _name_of(self, record: Record) -> str | None:
        """The part that a record counts for: its operation if the mix names that, else its group; None: neither."""
        return next((name for name in (record.sub_type, record.edit_type) if name in self._digests), None)


def _digest(record: Record) -> int:
    return int.from_bytes(hashlib.blake2b(record.id.encode(errors="replace"), digest_size=8).digest(), "big")

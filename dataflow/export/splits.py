"""Which split a record belongs to: all edits of one picture, and what grew out of them, lie in one.

The digest of the source picture decides, so the same rows are split alike in every run. An inverse and a turn start
from a picture that another record ends in; where one is tested the other may not be trained on, so records that share
source or result are one family, and the family's first source decides. What an edit merely refers to joins no family:
one style picture would tie all rows together. Such a picture in two splits is a finding.
"""

import hashlib
from collections.abc import Mapping, Sequence

from dataflow.errors import ConfigError
from dataflow.export.records import Image, Record
from dataflow.export.select import TRAIN

_SHOW = "say it as --split test=2%, or test=2%,validation=1%; the rest is train"


def read_split(text: str) -> dict[str, float]:
    """Splits as a flag says them, as shares of 1; none of them is "train".

    Raises:
        ConfigError: it is said otherwise, or nothing is left to train on.
    """
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.strip().partition("=")
        try:
            number = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
        except ValueError:
            number = 0.0
        if not (name.isidentifier() and name.isascii() and name.islower()) or name == TRAIN or name in shares:
            raise ConfigError(f"--split {text!r}: {name!r} is no name of a further split; {_SHOW}")
        if not 0 < number < 1:
            raise ConfigError(f"--split {text!r}: {share!r} is no share between 0 and 100%; {_SHOW}")
        shares[name] = number
    if sum(shares.values()) >= 1:
        raise ConfigError(f"--split {text!r}: nothing is left to train on; {_SHOW}")
    return shares


class Splits:
    """First told all records, then asked about them.

    Args:
        shares: name → share of the families; empty: all is train.
    """

    def __init__(self, shares: Mapping[str, float]) -> None:
        self._shares = shares
        self._above: dict[int, int] = {}  # picture → another of its family; a root leads to itself
        self._results: set[int] = set()
        self._firsts: dict[int, int] = {}
        self._referred: dict[int, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Train first."""
        return (TRAIN, *self._shares)

    def note(self, record: Record) -> None:
        """A record goes out."""
        if not self._shares:
            return
        results = [_key(each) for each in _results(record)]
        first = _key(record.images[0]) if record.images else results[0]
        for each in (first, *results):
            self._above.setdefault(each, each)
        self._results.update(results)
        for each in results:
            self._join(first, each)

    def _join(self, one: int, other: int) -> None:
        """Make one family of two."""
        roots = sorted((self._root(one), self._root(other)))
        self._above[roots[1]] = roots[0]

    def _root(self, key: int) -> int:
        while (above := self._above[key]) != key:
            self._above[key] = self._above[above]
            key = above
        return key

    def of(self, record: Record) -> str:
        """The split of a record that was noted."""
        if not self._shares:
            return TRAIN
        return self._of_key(_key(record.images[0] if record.images else record.edited))

    def astray(self, record: Record) -> str:
        """Another split than the record's in which a picture stands that it refers to; empty: there is none.

        Told records one after another; the first that refers to a picture of no family decides where that stands.
        """
        own = self.of(record)
        for image in record.images[1:] if self._shares else ():
            key = _key(image)
            other = self._of_key(key) if key in self._above else self._referred.setdefault(key, own)
            if other != own:
                return other
        return ""

    def _of_key(self, key: int) -> str:
        if not self._firsts:
            self._choose_firsts()
        first = self._firsts[self._root(key)]
        digest = hashlib.blake2b(first.to_bytes(8, "big"), digest_size=8).digest()
        at = int.from_bytes(digest, "big") / 2**64
        for name, share in self._shares.items():
            if at < share:
                return name
            at -= share
        return TRAIN

    def _choose_firsts(self) -> None:
        """Of each family the picture that decides: one that came in, if there is one, and the least of these.

        Only now that all are told it is known which came in, whatever the order of the rows.
        """
        for key in self._above:
            root = self._root(key)
            best = self._firsts.setdefault(root, key)
            self._firsts[root] = min(best, key, key=lambda each: (each in self._results, each))


def _results(record: Record) -> Sequence[Image]:
    return (*(each.edited for each in record.turns), record.edited, *record.losers)


def _key(image: Image) -> int:
    return int(image.sha256[:16], 16)

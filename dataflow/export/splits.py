"""Decides the split of each record: all edits of one picture, and all that was made from them, lie in one split.

The digest of a source picture decides, so the same rows are split alike in every run. The source of an inverse or of a
turn is the result of another record, and a model that was trained on one of the two cannot be tested on the other. So
records that share a source or a result are one family, and one source of the family decides for all its records. A
reference picture joins no families, since one style picture would join all of them; a reference picture in two splits
is a finding instead. Families are kept as a union-find forest over the digests of pictures.
"""

import hashlib
from collections.abc import Mapping, Sequence

from dataflow.errors import ConfigError
from dataflow.export.records import Image, Record
from dataflow.export.select import TRAIN

_SHOW = "say it as --split test=2%, or test=2%,validation=1%; the rest is train"


def read_split(text: str) -> dict[str, float]:
    """Read the flag `--split`, such as `test=2%`: split → its share, 0 to 1. "train" gets the rest and is no key.

    Raises:
        ConfigError: the text has another form, or the shares leave nothing to train on.
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
    """Decides splits: `note` every record before the first is asked for.

    Args:
        shares: split → its share of the families, 0 to 1; empty: all records are "train".
    """

    def __init__(self, shares: Mapping[str, float]) -> None:
        self._shares = shares
        self._parents: dict[int, int] = {}  # picture → another picture of its family; a root is its own parent
        self._results: set[int] = set()
        self._deciding: dict[int, int] = {}
        self._split_of_references: dict[int, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all splits, "train" first."""
        return (TRAIN, *self._shares)

    def note(self, record: Record) -> None:
        """Join the pictures of a record into one family."""
        if not self._shares:
            return
        results = [_key(image) for image in _results(record)]
        first = _key(record.images[0]) if record.images else results[0]
        for key in (first, *results):
            self._parents.setdefault(key, key)
        self._results.update(results)
        for key in results:
            self._join(first, key)

    def _join(self, first: int, second: int) -> None:
        """Make one family of the families of two pictures."""
        roots = sorted((self._root(first), self._root(second)))
        self._parents[roots[1]] = roots[0]

    def _root(self, key: int) -> int:
        while (parent := self._parents[key]) != key:
            self._parents[key] = self._parents[parent]  # halves the path, so that later look-ups are short
            key = parent
        return key

    def of(self, record: Record) -> str:
        """The split of a noted record."""
        if not self._shares:
            return TRAIN
        return self._of_key(_key(record.images[0] if record.images else record.edited))

    def conflicting_split(self, record: Record) -> str:
        """The other split in which a reference picture of the record stands; empty: there is none.

        It must be called for one record after another: the first record that refers to a picture of no family decides
        the split of that picture.
        """
        own = self.of(record)
        for image in record.images[1:] if self._shares else ():
            key = _key(image)
            split = self._of_key(key) if key in self._parents else self._split_of_references.setdefault(key, own)
            if split != own:
                return split
        return ""

    def _of_key(self, key: int) -> str:
        if not self._deciding:
            self._choose_deciding()
        first = self._deciding[self._root(key)]
        digest = hashlib.blake2b(first.to_bytes(8, "big"), digest_size=8).digest()
        point = int.from_bytes(digest, "big") / 2**64  # evenly spread over 0 to 1; a split is an interval of this range
        for name, share in self._shares.items():
            if point < share:
                return name
            point -= share
        return TRAIN

    def _choose_deciding(self) -> None:
        """Choose the picture that decides for each family: the smallest digest among those that are no edit's result.

        A picture is a result or not only once all records are noted, so the order of rows does not matter. A family of
        results alone has the smallest digest of all.
        """
        for key in self._parents:
            root = self._root(key)
            best = self._deciding.setdefault(root, key)
            self._deciding[root] = min(best, key, key=lambda picture: (picture in self._results, picture))


def _results(record: Record) -> Sequence[Image]:
    return (*(image.edited for image in record.turns), record.edited, *record.losers)


def _key(image: Image) -> int:
    return int(image.sha256[:16], 16)

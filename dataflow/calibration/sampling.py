"""Draws the edits of a cache directory that are to be labelled, with known probabilities, and equally for equal seeds.

Each edit has a number that follows from the seed and the edit's path. The edits with the smallest numbers are drawn. So
a larger sample holds the smaller one, and earlier labels still count. Of edits with the same content one is shown,
and its label speaks for all.
"""

import hashlib
import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.calibration.edits import EDITED, Edit, judges_of, path_rules, read_edits
from dataflow.calibration.labels import Sample, Stratum
from dataflow.errors import ConfigError, RowError
from dataflow.judging.verdict import THRESHOLD, VERDICT
from dataflow.utils.files import sha256_of_file

UPPER_SHARE = 0.8
"""The share of a sample drawn at or above the threshold, where a promise is wanted.

The rest shows which good edits the judge rejects.
"""
TWICE = 10
_PARTS = 3  # last parts of a path, which stay the same when a cache directory is moved


@dataclass(frozen=True, slots=True)
class Showing:
    """One edit to show to a person who labels.

    Args:
        edit: with the judge's numbers, which the person must not see.
        picture: SHA-256 of the edit's file.
        file: path of the edit's file.
        shown: 1, or 2 at the second showing.
        sample: how the edit was drawn.
    """

    edit: Edit
    picture: str
    file: str
    shown: int
    sample: Sample


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample of edits to label.

    Args:
        showings: in the order of showing.
        path: the file that the edits were drawn from.
        edits: stratum → number of judged edits in the file.
        left_out: a sentence on edits of other judges, which are not drawn; "": there are none.
    """

    showings: Sequence[Showing]
    path: Path
    edits: Counter[str]
    left_out: str = ""


class _Pool:
    """Keeps the edits of one judge with the smallest numbers, and counts all.

    Args:
        most: edits to keep of each stratum.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[Stratum, list[tuple[int, str, Edit]]] = {}
        self.edits: Counter[str] = Counter()

    def add(self, key: int, edit: Edit, stratum: Stratum) -> None:
        self.edits[stratum] += 1
        kept = self._kept.setdefault(stratum, [])
        entry = (
            -key,
            edit.path,
            edit,
        )  # negative: a heap pops its smallest entry, which here must be the largest number
        if len(kept) < self._most:
            heapq.heappush(kept, entry)
        elif entry > kept[0]:
            heapq.heapreplace(kept, entry)

    def smallest(self, stratum: Stratum) -> list[Edit]:
        return [edit for _, _, edit in sorted(self._kept.get(stratum, []), reverse=True)]


def draw_sample(
    path: Path,
    *,
    count: int = 100,
    threshold: float = THRESHOLD,
    seed: int = 0,
    uniform: bool = False,
    twice: int = TWICE,
    edited: str = EDITED,
    verdict: str = VERDICT,
) -> Drawn:
    """Draw edits to be labelled.

    Args:
        path: a step file or its `tries`, from `judged_file`.
        count: edits to draw, from 1.
        threshold: four in five are drawn from the edits whose lowest axis reaches this number, 0 to 10; if either part
            has too few edits, the other part gives more.
        seed: another seed draws other edits.
        uniform: draw from all edits with one probability, which a promise below the threshold needs.
        twice: edits shown a second time, in the second half, to see how far people agree with themselves.
        edited: column of the edits.
        verdict: column of the verdicts.

    Raises:
        ConfigError: there are no judged edits; a number is out of its range; all pictures are gone.
        InputError: the file is missing or broken.
    """
    if count < 1 or twice < 0 or not 0 <= threshold <= 10:
        raise ConfigError(f"count {count}, threshold {threshold}, twice {twice}: give at least 1, 0 to 10, at least 0")
    pools: dict[tuple[str, str], _Pool] = {}
    for edit in read_edits(path, edited=edited, verdict=verdict):
        stratum: Stratum = "all" if uniform else "upper" if edit.lowest >= threshold else "lower"
        pool = pools.setdefault(edit.judged_by, _Pool(2 * count))
        pool.add(number_of(edit.path, seed), edit, stratum)
    judged_by, left_out = judges_of({each: pool.edits.total() for each, pool in pools.items()}, path)
    found = _Files(path_rules(path).resolve)
    pool = pools[judged_by]
    chosen = _chosen(pool, count, found)
    if not chosen:
        raise ConfigError(f"no picture of {path} is there any more: there is nothing to label")
    of_stratum = Counter(stratum for stratum, _, _ in chosen)
    copies = Counter(content for _, _, (content, _) in chosen)
    first = {content: (stratum, edit, file) for stratum, edit, (content, file) in reversed(chosen)}
    once = []
    for content, (stratum, edit, file) in reversed(first.items()):
        drawn = Sample(stratum, of_stratum[stratum] / pool.edits[stratum], threshold, seed, *judged_by, copies[content])
        once.append(Showing(edit, content, file, 1, drawn))
    return Drawn(_ordered(once, twice, seed), path, pool.edits, left_out)


def number_of(path: str, seed: int) -> int:
    """The number by which an edit is drawn: 64 bits, from the seed and the last parts of the path."""
    parts = "/".join(path.rsplit("/", _PARTS)[-_PARTS:])
    return int.from_bytes(hashlib.blake2b(f"{seed}:{parts}".encode(errors="surrogatepass"), digest_size=8).digest())


Chosen = tuple[Stratum, Edit, tuple[str, str]]


def _chosen(pool: _Pool, count: int, found: "_Files") -> list[Chosen]:
    """The edits that are drawn, each with its stratum, its content (SHA-256) and its file.

    Args:
        pool: the edits of the chosen judge.
        count: edits to draw.
        found: finds the files.
    """
    strata: list[Stratum] = ["all"]
    if not pool.edits["all"]:
        strata = ["upper", "lower"]
    there = {each: list(found.pictures(pool.smallest(each), count)) for each in strata}
    upper, lower = there.get("upper", []), there.get("lower", [])
    below = min(len(lower), max(count - round(UPPER_SHARE * count), count - len(upper)))
    wanted = {"upper": count - below, "lower": below, "all": count}
    return [(each, *picture) for each, pictures in there.items() for picture in pictures[: wanted[each]]]


class _Files:
    """Finds the files of edits, and leaves out content that another stratum has.

    Args:
        resolve: path of a picture in a row → path of its file.
    """

    def __init__(self, resolve: Callable[[str], str]) -> None:
        self._resolve = resolve
        self._known: set[str] = set()

    def pictures(self, edits: Iterable[Edit], most: int) -> Iterable[tuple[Edit, tuple[str, str]]]:
        """The first `most` edits whose files exist, with content (SHA-256) and file."""
        of_other_strata = set(self._known)
        for edit in edits:
            if most <= 0:
                return
            try:
                file = self._resolve(edit.path)
                content = sha256_of_file(file)
            except (RowError, OSError):
                continue
            if content not in of_other_strata:
                self._known.add(content)
                most -= 1
                yield edit, (content, file)


def _ordered(once: Sequence[Showing], twice: int, seed: int) -> list[Showing]:
    """Shuffle the showings, and add second showings of some early edits in the second half.

    Args:
        once: the first showings.
        twice: second showings to add.
        seed: of the order.
    """
    order = random.Random(seed)  # noqa: S311 - no secret
    first = list(once)
    order.shuffle(first)
    early = first[: max(len(first) // 4, min(twice, len(first) // 2))]
    again = [
        Showing(each.edit, each.picture, each.file, 2, each.sample)
        for each in order.sample(early, min(twice, len(early)))
    ]
    rest = [*first[len(first) // 2 :], *again]
    order.shuffle(rest)
    return [*first[: len(first) // 2], *rest]

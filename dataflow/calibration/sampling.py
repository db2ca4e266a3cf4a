"""What is to be labelled of a cache directory: drawn with known probabilities, and the same again from the same seed.

Each edit has a number that follows from seed and path, and those with the smallest are drawn: so a larger sample holds
the smaller one, and labels made before count on. Of those with the same content one is shown, and speaks for all.
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
"""Of what is drawn at or above the threshold: there a promise is wanted; below it shows what the judge throws away."""
TWICE = 10
_PARTS = 3  # of a path that tell edits apart wherever their cache directory lies


@dataclass(frozen=True, slots=True)
class Showing:
    """One edit that somebody is to be shown.

    Args:
        edit: with the judge's numbers, which whoever labels it must not see.
        picture: SHA-256 of its file.
        file: of the edit.
        shown: 1, or 2 where it is shown for the second time.
        sample: how it was drawn.
    """

    edit: Edit
    picture: str
    file: str
    shown: int
    sample: Sample


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is to be labelled.

    Args:
        showings: in the order in which they are shown.
        path: of the file that they were drawn from.
        edits: judged edits in it, by stratum.
        left_out: what to tell of edits that could not be drawn; empty: nothing.
    """

    showings: Sequence[Showing]
    path: Path
    edits: Counter[str]
    left_out: str = ""


class _Pool:
    """The edits of one judge with the smallest numbers, and how many there were."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[Stratum, list[tuple[int, str, Edit]]] = {}
        self.edits: Counter[str] = Counter()

    def add(self, key: int, edit: Edit, stratum: Stratum) -> None:
        self.edits[stratum] += 1
        kept = self._kept.setdefault(stratum, [])
        entry = (-key, edit.path, edit)  # a heap has its smallest on top, which here is to go first
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
        path: a step's file or its `tries`, as `judged_file` finds it.
        count: edits.
        threshold: four in five are drawn of those whose lowest axis reaches it; where one part has too few, the other
            gives more.
        seed: another one draws others.
        uniform: all alike, which a promise below the threshold needs.
        twice: how many are shown a second time, in the second half: how far people agree with themselves.
        edited: column of the edits.
        verdict: column of their verdicts.

    Raises:
        ConfigError: no judged edits; a number that is none; no picture is there.
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
    found = _Found(path_rules(path).resolve)
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
    """The number of an edit: 64 bits."""
    parts = "/".join(path.rsplit("/", _PARTS)[-_PARTS:])
    return int.from_bytes(hashlib.blake2b(f"{seed}:{parts}".encode(errors="surrogatepass"), digest_size=8).digest())


Chosen = tuple[Stratum, Edit, tuple[str, str]]


def _chosen(pool: _Pool, count: int, found: "_Found") -> list[Chosen]:
    """Stratum, edit, content and file of what is drawn."""
    everything: list[Stratum] = ["all"]
    if not pool.edits["all"]:
        everything = ["upper", "lower"]
    there = {each: list(found.pictures(pool.smallest(each), count)) for each in everything}
    upper, lower = there.get("upper", []), there.get("lower", [])
    below = min(len(lower), max(count - round(UPPER_SHARE * count), count - len(upper)))
    wanted = {"upper": count - below, "lower": below, "all": count}
    return [(each, *picture) for each, pictures in there.items() for picture in pictures[: wanted[each]]]


class _Found:
    """Finds the files of edits; each content in one stratum."""

    def __init__(self, resolve: Callable[[str], str]) -> None:
        self._resolve = resolve
        self._known: set[str] = set()

    def pictures(self, edits: Iterable[Edit], most: int) -> Iterable[tuple[Edit, tuple[str, str]]]:
        """The first edits that are there, with content and file."""
        elsewhere = set(self._known)
        for edit in edits:
            if most <= 0:
                return
            try:
                file = self._resolve(edit.path)
                content = sha256_of_file(file)
            except (RowError, OSError):
                continue
            if content not in elsewhere:
                self._known.add(content)
                most -= 1
                yield edit, (content, file)


def _ordered(once: Sequence[Showing], twice: int, seed: int) -> list[Showing]:
    """In a random order; of the first quarter some are shown again in the second half."""
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

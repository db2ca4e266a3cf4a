"""Counts the failed rows of a step by reason, from its errors file; each look reads only the lines that were added."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dataflow.errors import InputError
from dataflow.utils.row_json import load_row

_MOST_REASONS = 1000  # reasons with a count of their own; each row may have one, since reasons name files


@dataclass(frozen=True, slots=True)
class FailedRows:
    """Rows that failed for one reason.

    Args:
        kind: kind of the failure in the errors file; rows of kind "refused" are asked again only with retry_rejected.
        reason: one sentence.
        rows: how many rows failed for it.
    """

    kind: str
    reason: str
    rows: int


def next_run(kinds: Collection[str], flag: str) -> list[str]:
    """What the next run does with failed rows: a sentence for each sort of failure that occurs, and no other.

    Args:
        kinds: of the failures, as the errors file names them.
        flag: how the reader of the sentences asks again for refused rows, such as "--retry_rejected".
    """
    sentences = {
        "The next run asks again for rows that got no answer.": bool({*kinds} - {"refused", "row"}),
        f"Refused rows are asked again only with {flag}.": "refused" in kinds,
        "Rows whose reason names the row, its answer or an earlier step fail again until that is mended.": "row"
        in kinds,
    }
    return [sentence for sentence, applies in sentences.items() if applies]


class Reasons:
    """Counts the reasons in one errors file, which may grow, begin anew, or vanish.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._offset = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def read(self) -> tuple[FailedRows, ...]:
        """The reasons in the file so far, the most frequent first; empty if there is no file."""
        try:
            with self._path.open("rb") as file:
                now = self._path.stat()
                if now.st_ino != self._file or now.st_size < self._offset:
                    self._file, self._offset = now.st_ino, 0
                    self._counts.clear()
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._offset += len(line)
                    self._count(line)
        except OSError:
            return ()
        return tuple(FailedRows(kind, reason, rows) for (kind, reason), rows in self._counts.most_common())

    def _count(self, line: bytes) -> None:
        try:
            row = load_row(line, self._path, 0)
            key = str(row["class"]), str(row["reason"])
        except (InputError, KeyError):
            key = "unknown", "this line of the errors file cannot be read"
        if key not in self._counts and len(self._counts) >= _MOST_REASONS:
            key = "", "other reasons"
        self._counts[key] += 1


def count_lines(target: Path) -> int | None:
    """The lines of a jsonl file, or of a step file's `.part`; None if the file is missing or its rows are no lines."""
    part = target.with_name(f"{target.name}.part")
    path = part if part.exists() else target
    if path is target and target.suffix != ".jsonl":
        return None
    try:
        state = path.stat()
        return _count_lines(path, state.st_size, state.st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=256)
def _count_lines(path: Path, size: int, mtime: int) -> int:
    """The lines of a file, counted again only if its size or time differs."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))

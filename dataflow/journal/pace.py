"""How fast a step was when it last ran, by what it noted in the journal."""

from pathlib import Path

from dataflow.journal.lines import decode_line
from dataflow.utils.cache_folder import CacheFolder

_TAIL = 1 << 20  # bytes of the journal that are looked at
_LEAST = 4.0  # seconds; less tells no speed


def rows_per_second(cache_path: Path, target: str) -> float:
    """Rows answered a second in the last run of a step, 0 if the end of the journal does not tell.

    Args:
        cache_path: the cache directory.
        target: name of the step's file.
    """
    path = CacheFolder(cache_path).journal
    if not path.exists():
        return 0.0
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        lines = file.read().splitlines(keepends=True)
    step, first, last = None, None, None
    for line in lines:
        if b'"t":"step"' not in line[:20] and b'"t":"rows"' not in line[:20]:
            continue
        note = decode_line(line)
        if note is None:
            continue
        if note["t"] == "step":
            if note.get("file") == target:
                step, first, last = note.get("k"), note, None
        elif note.get("k") == step:
            last = note
    if first is None or last is None:
        return 0.0
    seconds = float(last["at"]) - float(first["at"])
    return float(last.get("answered", 0)) / seconds if seconds >= _LEAST else 0.0

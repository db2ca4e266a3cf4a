"""Every kind of line that a journal may have, and what it is read as.

`python -m tests.frozen.lines` writes `lines.jsonl` and `lines.json` anew. They are what the code before wrote, so
they only grow.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dataflow.core.records import Answer, Charge, Picture
from dataflow.errors import Failure
from dataflow.journal.journal import Journal
from dataflow.journal.lines import decode_line, encode_line

HOME = Path(__file__).parent
LINES, READ = HOME / "lines.jsonl", HOME / "lines.json"
USAGE = {"prompt_tokens": 10.0, "cost": 0.25, "truncated": 1.0}

GOOD: dict[str, Answer] = {
    "text": Answer(text="Two dogs.\u2028“图” \U0001f408", usage={"tokens": 3.0}),
    "picture": Answer((Picture("@HERE@/images/ab/abc_0.png", "ab" * 32, 174, 8, 4),), "Here you are.", USAGE),
    "pictures": Answer(
        (
            Picture("@HERE@/sub folder/图.webp", "cd" * 32, 1 << 33, 4096, 1),
            Picture("/elsewhere/b.jpg", "ef" * 32, 9, 1, 2),
        )
    ),
    "nothing": Answer(),
}
BAD: dict[str, Failure] = {
    "failed": Failure("failed", "it failed"),
    "retry": Failure("retry", "no answer; it may have been paid", maybe_paid=True),
    "wait": Failure("wait", "asks for fewer requests", said="Slow down."),
    "refused": Failure("refused", "refuses", said="“敏感”", usage={"prompt_tokens": 40.0}),
    "fatal": Failure("fatal", "no credit left"),
}
CHARGES = {"uncharged": None, "untold": Charge(None), "exact": Charge(1), "charged": Charge(38_715_000)}
NOTES: list[dict[str, Any]] = [  # of older versions, for whoever watched; their `start` lines named a step by `k`
    {"t": "step", "k": 1, "file": "dataflow_cache_step_step1.jsonl", "name": "Ask", "of": 11, "at": 1795950671.4},
    {"t": "rows", "k": 1, "done": 2, "answered": 1, "of": 11, "failed": 0, "pause": "loading", "at": 1795950673.5},
    {"t": "rows", "k": 1, "done": 11, "answered": 8, "of": 11, "failed": 4, "at": 1.5, "over": True, "why": "x"},
]


def request_id(number: int) -> str:
    return f"{number:032x}"


def write(cache: Path) -> None:
    """Everything that can be said, one request each."""
    numbers = iter(range(1, 1000))
    with Journal.opened(cache) as journal:
        journal._append(NOTES[0])
        for answer in GOOD.values():
            for charge in CHARGES.values():
                asked = request_id(next(numbers))
                journal.start(asked, 0, 129_024_000 if charge else 0)
                journal.got(asked, 0, placed(answer, cache), charge)
        journal._append(NOTES[1])
        for error in BAD.values():
            for charge in CHARGES.values():
                asked = request_id(next(numbers))
                journal.start(asked, 0, 500_000_001)
                journal.fail(asked, 0, error, again=True, charge=charge)
                journal.start(asked, 1, 500_000_001)
                journal.fail(asked, 1, error, again=False, charge=charge)
        for most in (0, 7_000_000_000, 1):  # cut off; the second is then asked again
            journal.start(request_id(next(numbers)), 0, most)
        journal.start(request_id(next(numbers) - 2), 0, 3)
        unbounded = request_id(next(numbers))
        journal.start(unbounded, 0)
        journal.got(unbounded, 0, GOOD["text"], Charge(None))
        journal.count_in("CNY")
        journal._append(NOTES[2])


def placed(answer: Answer, cache: Path) -> Answer:
    moved = [
        Picture(each.path.replace("@HERE@", str(cache)), each.sha256, each.size, each.width, each.height)
        for each in answer.pictures
    ]
    return Answer(tuple(moved), answer.text, answer.usage)


def read(cache: Path) -> dict[str, Any]:
    """What a journal is understood as: its money, and by request its answer."""
    ids = [request_id(number) for number in range(1, 100)]
    with Journal.opened(cache) as journal:
        money = journal.index.money
        places = zip(ids, journal.places(ids), strict=True)
        found = {
            asked: (place.kind, answer)
            for asked, place in places
            if place is not None and (answer := journal.read(place, asked)) is not None
        }
        sums = {name: getattr(money, name) for name in ("spent", "unsure", "reserved", "unpriced", "currency")}
        return {
            "money": sums,
            "maybe_paid": journal.maybe_paid,
            "answers": {asked: [kind, shown(answer, cache)] for asked, (kind, answer) in found.items()},
        }


def shown(answer: Answer, cache: Path) -> dict[str, Any]:
    if (error := answer.error) is not None:
        told = {"kind": error.kind, "reason": error.reason, "said": error.said}
        return {**told, "maybe_paid": error.maybe_paid, "attempts": error.attempts}
    pictures = [
        [each.path.replace(str(cache), "@HERE@"), each.sha256, each.size, each.width, each.height]
        for each in answer.pictures
    ]
    return {"pictures": pictures, "text": answer.text, "usage": dict(answer.usage)}


def but_for_runs(lines: Iterable[bytes]) -> list[bytes]:
    """Without those that name a run or the journal itself, and without the number of a step in `start` lines."""
    kept = [line for line in lines if not line.startswith((b'{"t":"run"', b'{"t":"journal"'))]
    return [_without_step(line) if line.startswith(b'{"t":"start"') else line for line in kept]


def _without_step(line: bytes) -> bytes:
    entry = decode_line(line)
    assert entry is not None
    return encode_line({name: value for name, value in entry.items() if name != "k"})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder).resolve()
        write(made)
        shutil.copyfile(made / ".dataflow/journal.jsonl", LINES)
        (made / ".dataflow/index.sqlite").unlink()
        READ.write_text(json.dumps(read(made), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

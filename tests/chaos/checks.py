"""What every chaos test looks at afterwards: the journal, the rows, the pictures, the money."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from PIL import Image

from tests.kit.drawing import mark_of, read_mark

ROOT = Path(__file__).parent.parent.parent
PICTURE = ROOT / "example_data/image_gen/image_edit/image8.png"


def write_prompts(folder: Path, count: int) -> list[str]:
    """`folder/rows.jsonl` with so many different edits of one picture; returns their instructions."""
    folder.mkdir(parents=True, exist_ok=True)
    prompts = [f"Paint wall {number}." for number in range(count)]
    lines = [json.dumps({"images": str(PICTURE), "conversations": prompt}) + "\n" for prompt in prompts]
    (folder / "rows.jsonl").write_text("".join(lines))
    return prompts


def journal(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of the journal; a torn tail is left out."""
    path = folder / "cache/.dataflow/journal.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def in_flight(lines: list[dict[str, Any]]) -> int:
    """How many requests these lines of one run start and do not end."""
    started = {line["id"] for line in lines if line["t"] == "start"}
    return len(started - {line["id"] for line in lines if line["t"] in ("got", "fail")})


def check_journal(folder: Path, answers: int) -> int:
    """Every answer is there, and none was asked again once it was journalled; returns how many starts there are."""
    starts: Counter[str] = Counter()
    answered: set[str] = set()
    for line in journal(folder):
        if line["t"] == "start":
            assert line["id"] not in answered, "a journalled answer was asked again"
            starts[line["id"]] += 1
        elif line["t"] == "got":
            answered.add(line["id"])
    assert len(answered) == answers
    return starts.total()


def check_rows(folder: Path, prompts: list[str]) -> None:
    """Each row has the picture that answers its own instruction."""
    rows = [json.loads(line) for line in (folder / "cache/dataflow_cache_step_step1.jsonl").read_text().splitlines()]
    assert [row["conversations"] for row in rows] == prompts
    source = PICTURE.read_bytes()
    for row in rows:
        (edited,) = row["edited_images"]
        assert read_mark(edited) == mark_of(row["conversations"], [source])


def whole_pictures(folder: Path) -> int:
    """How many pictures lie here under a final name; each must be whole."""
    found = [path for path in folder.rglob("*.*") if path.is_file() and not path.name.startswith(".")]
    for path in found:
        with Image.open(path) as image:
            image.verify()
        with Image.open(path) as image:
            image.load()
    return len(found)


def unfinished(folder: Path) -> int:
    """How many temporary files of pictures a run left behind."""
    return sum(1 for _ in folder.rglob(".*.tmp"))

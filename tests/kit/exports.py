"""Cache directories to export, and the records that a format gets of them."""

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dataflow.core.records import Row
from dataflow.export import Format, Output, Record, Takes, export
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.testing import ScriptedWorker
from dataflow.utils.storage import FileStorage
from tests.kit.flow import write_rows

STEP = "dataflow_cache_step_step1"
SIZE = (320, 256)


def photo(path: Path, seed: int, size: tuple[int, int] = SIZE, mode: str = "RGB", **saving: Any) -> Path:
    """A picture of soft colours and some noise, so that no two are alike, written as its ending says."""
    random = np.random.default_rng(seed)
    corners = random.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    picture = Image.fromarray(corners).resize(size, Image.Resampling.BICUBIC).convert(mode)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **saving)
    return path


def row(folder: Path, number: int, **columns: object) -> Row:
    """An accepted edit of one picture, both of which are drawn; further columns replace or join its own."""
    source, edited = photo(folder / f"source_{number}.png", number), photo(folder / f"edit_{number}.png", 1000 + number)
    return {
        "id": f"row_{number}",
        "images": [str(source)],
        "conversations": [{"role": "user", "content": f"paint thing number {number} blue"}],
        "edited_images": [str(edited)],
        "edit_type": "object",
        "sub_type": ("recolour", "remove")[number % 2],
        "verdict": {"accepted": True, "score": 8.5, "axes": {"following": 9.0, "preservation": 8.0}},
        **columns,
    }


def cache_of(folder: Path, rows: Sequence[Mapping[str, object]], **sides: Sequence[Mapping[str, object]]) -> Path:
    """A cache directory with one step of these rows, and side outputs by their names."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / f"{STEP}.jsonl", rows)
    for name, lines in sides.items():
        write_rows(folder / f"{STEP}.{name}.jsonl", lines)
    return folder


def tree_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def run_edits(folder: Path, sources: Sequence[Path], **editing: Any) -> Path:
    """A cache directory as a run leaves it: these pictures, each edited by a worker that knows nothing; with a journal.

    Args:
        folder: of the cache.
        sources: pictures.
        editing: for `ScriptedWorker`.
    """
    edits = [photo(folder / f"drawn/{number}.png", 5000 + number).read_bytes() for number in range(len(sources))]
    rows = [{"id": f"r{k}", "images": [str(path)], "conversations": f"edit {k}"} for k, path in enumerate(sources)]
    first = write_rows(folder / "first.jsonl", rows)
    storage = FileStorage(first, folder / "cache")
    worker = ScriptedWorker(edits, save_path=str(folder / "cache/images"), **editing)
    PromptedImageEditGenerator(worker).run(storage.step())
    return folder / "cache"


def records_of(cache: Path, form: Format | None = None, **choice: object) -> list[Record]:
    """The records that a format gets."""
    found: list[Record] = []

    def write(output: Output) -> str:
        found.extend(output.records)
        return ""

    given = form or Format("all", write, Takes(inputs=(0, 9), masks=True, turns=True, captions=None), tree=False)
    chosen = Format(given.name, write, given.takes, rows=given.rows, tree=given.tree)
    number = len(list(cache.parent.glob("out*")))
    export(cache, [chosen], cache.parent / f"out{number}", **choice)  # type: ignore[arg-type]
    return found


def session(folder: Path) -> Row:
    """A conversation of three turns, of which the last goes back to the first version made."""
    pictures = [str(photo(folder / f"v{number}.png", 70 + number)) for number in range(4)]
    said = ["make the star red", "move it to the left", "go back to the first version and remove the star"]
    whole = ["make the star red", "move the red star to the left", "remove the red star"]
    messages = [
        {"role": role, "content": content}
        for each in said
        for role, content in (("user", each), ("assistant", "<image>"))
    ]
    forms = [
        {"content": f"{words} ({language})", "role": "user", "language": language, "turn": number}
        for number, words in enumerate(said, start=1)
        for language in ("en", "zh")
    ]
    versions = (1, 2, 2)
    return {
        "id": "s1",
        "parent_id": None,
        "relation": "session",
        "images": pictures[:1],
        "edited_images": pictures[1:],
        "conversations": messages,
        "instructions": forms,
        "language": "en",
        "turns": [{"instruction": text, "version": k} for text, k in zip(whole, versions, strict=True)],
        "verdict": [{"accepted": True, "score": score} for score in (9.0, 7.0, 8.0)],
    }


def card_of(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def section(card: str, name: str) -> str:
    return card.split(f"## {name}\n")[1].split("\n## ")[0]


BY = {"judge": "0123456789abcdef", "rubric": "fedcba"}


def verdict(**more: object) -> Row:
    return {"accepted": True, "score": 8.0, "axes": {"following": 8.0}, **BY, **more}


def with_chunk(path: Path, kind: bytes, data: bytes, *, behind: bool = False) -> Path:
    """A PNG with one more chunk, before its pixels or behind them."""
    whole = path.read_bytes()
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
    at = len(whole) - 12 if behind else 33
    path.write_bytes(whole[:at] + chunk + whole[at:])
    return path


Rows = Callable[[Path], list[Row]]


def of_pictures(name: str, data: bytes | None) -> Rows:
    """Two rows, of which the second has another file as its result."""

    def rows(folder: Path) -> list[Row]:
        if data is not None:
            (folder / name).write_bytes(data)
        return [row(folder, 1), row(folder, 2, edited_images=[str(folder / name)])]

    return rows


def written(folder: Path, data: bytes) -> Path:
    path = folder / "baked.png"
    path.write_bytes(data)
    return path

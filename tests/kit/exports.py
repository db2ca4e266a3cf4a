"""Cache directories to export: rows in a step's file, with pictures that are there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dataflow.core.records import Row
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

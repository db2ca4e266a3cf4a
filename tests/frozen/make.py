"""Makes the frozen caches anew: `python -m tests.frozen.make [name ...]`, in a folder of its own.

They are what users may have on their disks, so they are made once and then only read. Make one anew only where a
fault forces its requests, journal or rows to change, and say so in the commit.
"""

import contextlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from dataflow.errors import FatalAnswer
from dataflow.pools.executor import close_pools
from dataflow.serving.dialects import Format
from tests.frozen import places
from tests.frozen.caches import ANSWERED, CACHES, CPU, IN_FLIGHT, Place, batches
from tests.kit.flow import write_rows
from tests.kit.loopback_batches import BatchServer
from tests.kit.tiny_text import llama, llava
from tests.serving.api.batches.test_kill_batches import end_at

ROWS = "rows.jsonl"
DRAWN = [
    {"conversations": ["A cat.", {"content": "A dog.", "role": "user"}], "instruction": "Paint it red."},
    {"conversations": "两只狗 on a beach", "instruction": [{"content": "让它变蓝。", "role": "user"}], "of": [1, 2]},
    {"conversations": "refuse to draw this", "instruction": "Never asked."},
    {"conversations": ["A cat.", {"content": "A dog.", "role": "user"}], "instruction": "Paint it red."},
]
EDITED: list[dict[str, Any]] = [
    {"images": ["a.png", "b.jpg"], "conversations": "Put both into one picture.", "id": 7, "note": None},
    {"images": "a.png", "conversations": [{"content": "Make it red.", "role": "user"}], "weight": 0.1},
    {"images": ["./a.png"], "conversations": "Make it red.", "why": "a twin"},
    {"images": "b.jpg", "conversations": "refuse this"},
    {"images": "b.jpg", "conversations": "filter this"},
    {"images": "nowhere.png", "conversations": "Never asked."},
    {"images": [], "conversations": "Never asked."},
    {"images": "a.png", "conversations": "The server is busy."},
    {"images": "a.png", "conversations": "The answer is lost."},
    {"images": "a.png", "conversations": "Kept as it is.", "edited_images": ["b.jpg"]},
    {"images": "a.png", "conversations": [{"content": "no", "role": "assistant"}, "把狗换成猫。 \u2028 \U0001f408"]},
]


def pictures() -> None:
    for name, colour in {"a.png": "red", "b.jpg": "blue"}.items():
        Image.new("RGB", (8, 6), colour).save(name)


def edits() -> None:
    pictures()
    write_rows(Path(ROWS), EDITED)


def edits_to_interrupt() -> None:
    pictures()
    rows = [{"images": "a.png", "conversations": f"Edit {number}."} for number in range(3)]
    refused = {"images": "b.jpg", "conversations": "refuse this"}
    stopped = {"images": "a.png", "conversations": "No credits for this."}
    write_rows(Path(ROWS), [*rows, refused, stopped, *rows])


def drawings() -> None:
    write_rows(Path(ROWS), DRAWN)


def two_prefixes() -> None:
    pictures()
    rows = [{"images": "a.png", "conversations": f"Edit {number}.", "number": number} for number in range(4)]
    write_rows(Path("first.jsonl"), rows[:3])
    write_rows(Path("second.jsonl"), [rows[0], rows[0], *rows[1:]])


def csv() -> None:
    text = 'conversations,instruction,seen\n"[""A cat."", ""A dog.""]",Paint it red.,\nA moon,"Twice, please.",1.50\n'
    Path("rows.csv").write_text(text, encoding="utf-8")


def as_json() -> None:
    Path("rows.json").write_text(json.dumps(DRAWN), encoding="utf-8")


def parquet() -> None:
    import pyarrow
    from pyarrow import parquet as files

    rows = [
        {"conversations": ["A cat.", "A dog."], "instruction": "Paint it red.", "weight": 0.1},
        {"conversations": ["两只狗"], "instruction": "让它变蓝。", "weight": None},
    ]
    files.write_table(pyarrow.Table.from_pylist(rows), "rows.parquet")


def judged() -> None:
    pictures()
    asked = ["Once.", "This twice.", "Once.", "This twice.", "refuse this"]
    rows = [{"images": ["a.png"], "conversations": each, "seed": 5, "edited": [""]} for each in asked]
    write_rows(Path(ROWS), rows)


def seen() -> None:
    pictures()
    write_rows(Path(ROWS), [{"images": ["a.png"], "n": 1}, {"images": "b.jpg"}, {"images": "a.png", "n": 2}])


def checkpoints() -> None:
    pictures()
    llama(Path("writer"))
    llava(Path("seer"))
    rows = [{"prompt": "make the car red"}, {"prompt": ["a cat", "how many dogs"]}, {"prompt": "make the car red"}]
    write_rows(Path(ROWS), rows)


def nothing() -> None:
    """The first step makes its own rows."""


INPUTS: dict[str, Callable[[], None]] = {
    "edit": edits,
    "edit_interrupted": edits_to_interrupt,
    "edit_absolute": drawings,
    "two_prefixes": two_prefixes,
    "csv": csv,
    "json": as_json,
    "parquet": parquet,
    "judged": judged,
    "prompts": nothing,
    "instructions": seen,
    "several": nothing,
    "demo": nothing,
    "local_texts": checkpoints,
}


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        here, before = Path(folder).resolve(), Path.cwd()
        os.environ["XDG_CACHE_HOME"] = str(here / "user")
        os.chdir(here)
        try:
            yield here
        finally:
            os.chdir(before)
            close_pools()


def make(name: str) -> None:
    """A cache that holds every answer."""
    with workplace() as outer:
        here = outer / "here"
        here.mkdir()
        os.chdir(here)
        INPUTS[name]()
        with contextlib.ExitStack() as open_servers:
            made = ANSWERED[name].server
            server = open_servers.enter_context(made()) if made is not None else None
            place = Place(server.url if server is not None else "", CPU)
            if name == "edit_interrupted":
                interrupt(place)
            else:
                ANSWERED[name].run(place)
            places.pack(here, CACHES / name, server.port if server is not None else None)


def interrupt(place: Place) -> None:
    """A fatal answer cuts the first run short; the second ends between its last answer and its commit.

    What that leaves are the rows that the first run wrote, beside a journal that has every answer. `expected` is what
    is to come of it.
    """
    with contextlib.suppress(FatalAnswer):
        ANSWERED["edit_interrupted"].run(place)
    left = {path.name: path.read_bytes() for path in Path("cache").glob("*.part")}
    assert len(left) == 2, left
    ANSWERED["edit_interrupted"].run(place)
    Path("expected").mkdir()
    for path in Path("cache").glob("dataflow_cache_step_*"):
        path.rename(Path("expected", path.name))
    for name, content in left.items():
        Path("cache", name).write_bytes(content)


def _forked(url: str, here: Path, api_format: Format) -> None:
    os.chdir(here)
    batches(api_format)(Place(url))


def run_killed(server: BatchServer, here: Path, api_format: Format, stage: str, when: str) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_forked, args=(server.url, here, api_format))
    process.start()
    server.hook = end_at(process, stage, when)
    process.join()
    assert process.exitcode == -9, process.exitcode
    server.hook = lambda at, moment: False


def make_batch(name: str) -> None:
    """A run that was killed while its batch was at the provider, and the file that the provider has."""
    api_format: Format = "gemini" if name == "batch_intended" else "images"
    stage = ("create", "after") if name == "batch_intended" else ("look", "after")
    with workplace() as outer, BatchServer(looks=1_000) as server:
        here = outer / "here"
        here.mkdir()
        os.chdir(here)
        pictures()
        write_rows(Path(ROWS), [{"images": "a.png", "conversations": f"Edit {number}."} for number in range(3)])
        run_killed(server, here, api_format, *stage)
        Path("provider").mkdir()
        Path("provider/file.jsonl").write_bytes(server.files["file-0"])
        if name == "batch_half_taken":
            take_one(server, here, outer / "copy", api_format)
        places.pack(here, CACHES / name, server.port)


def take_one(server: BatchServer, here: Path, copy: Path, api_format: Format) -> None:
    """As if the run had been killed once it had journalled the first answer of the batch."""
    shutil.copytree(here, copy)
    server.looks = 0
    os.chdir(copy)
    batches(api_format)(Place(server.url))
    os.chdir(here)
    lines = (copy / "cache/.dataflow/journal.jsonl").read_bytes().splitlines(keepends=True)
    first = next(at for at, line in enumerate(lines) if b'"t":"got"' in line)
    taken = json.loads(lines[first])
    (here / "cache/.dataflow/journal.jsonl").write_bytes(b"".join(lines[: first + 1]))
    (picture,) = [each[0] for each in taken["pics"]]
    (here / "cache" / picture).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(copy / "cache" / picture, here / "cache" / picture)
    (record,) = (here / "cache/images/.batches").rglob("*.json")
    record.with_suffix(".done").write_text(taken["id"] + "\n", encoding="ascii")


def main(names: list[str]) -> None:
    for name in names or [*ANSWERED, *IN_FLIGHT]:
        print(name, flush=True)
        (make if name in ANSWERED else make_batch)(name)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Caches that earlier code made go on under today's: nothing is asked again, and every byte stays.

What is compared was written by the code before the first of these tests. If one of them fails, users who paid for
such a cache pay again, or find other files: mend the code, not the fixture.
"""

import json
import re
import shutil
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from dataflow.errors import FatalAnswer
from dataflow.flow.summary import Summary
from dataflow.pools.executor import close_pools
from dataflow.utils.storage import FileStorage
from tests.frozen import servers
from tests.frozen.caches import ANSWERED, CACHES, IN_FLIGHT, Place, edit_drawn
from tests.frozen.places import unpack
from tests.kit.drawing import mark_of, read_mark
from tests.kit.loopback import LoopbackServer
from tests.kit.loopback_batches import BatchServer

ANSWERED_BY_A_SERVER = [name for name, cache in ANSWERED.items() if cache.server is not None]
KEPT_BY_META = ("cwd", "cache_path", "rows", "failed", "operator", "workers", "report")
STEP = re.compile(r"_step\d+\.(jsonl|json|csv|parquet)$")
NAMED = re.compile(rb'"((?:cache/|\./)?[\w/]+\.(?:png|jpg))"')
JOURNAL = Path("cache/.dataflow/journal.jsonl")


@pytest.fixture(autouse=True)
def _away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def run_again(name: str, server: LoopbackServer) -> list[Summary]:
    """Run a cache's steps once more, in the working directory; nothing may be asked."""
    summaries = [*ANSWERED[name].run(Place(server.url))]
    assert [summary.requests for summary in summaries] == [0] * len(summaries)
    assert server.requests == 0
    return summaries


def files_of(folder: Path) -> dict[str, Any]:
    """What the files of a cache say, by name; of what a run may tell anew, what it may not."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or ".dataflow" in path.parts:
            continue
        content: Any = path.read_bytes()
        if path.suffix == ".parquet":  # its bytes name the version of pyarrow
            content = parquet.read_table(path)
        elif path.name.endswith(".meta.json"):
            content = kept_of(json.loads(content))
        elif path.name.endswith(".errors.jsonl"):  # which rows failed stays; why is told in the words of today
            lines = [json.loads(line) for line in content.splitlines()]
            content = [{name: line[name] for name in ("row", "class", "fields")} for line in lines]
        found[path.relative_to(folder).as_posix()] = content
    return found


def kept_of(meta: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in meta.items() if name in KEPT_BY_META}
    return {**kept, "accepted_pictures": meta.get("cost", {}).get("accepted_pictures")}


def money_of(folder: Path) -> tuple[float, float]:
    """What the directory has cost, and may have cost beside that, as its last step tells."""
    costs = [json.loads(path.read_bytes()).get("cost", {}) for path in folder.glob("*.meta.json")]
    return max(each.get("directory", 0) for each in costs), max(each.get("directory_unsure", 0) for each in costs)


def completed() -> dict[str, Any]:
    """What a cache in the working directory comes to."""
    files = files_of(Path("cache"))
    if Path("expected").exists():
        files = {path: content for path, content in files.items() if not path.endswith(".part")}
        files |= files_of(Path("expected"))
    return {path: content if STEP.search(path) is None else with_paths(content) for path, content in files.items()}


def with_paths(content: Any) -> Any:
    """A step file of earlier code as today's writes it: pictures that are there by their absolute paths."""
    if not isinstance(content, bytes):
        rows = [json.loads(with_paths(json.dumps(row).encode())) for row in content.to_pylist()]
        return pyarrow.Table.from_pylist(rows, content.schema)
    return NAMED.sub(lambda found: f'"{absolute(found[1].decode())}"'.encode(), content)


def absolute(name: str) -> str:
    path = Path.cwd() / name
    return str(path) if path.is_file() else name


def steps() -> list[Path]:
    """Every file that a step of the cache in the working directory wrote."""
    return [path for path in Path("cache").iterdir() if path.is_file()]


@pytest.mark.parametrize("name", ANSWERED)
def test_nothing_is_asked_again_and_every_byte_stays(name: str) -> None:
    with servers.refusing() as server:
        unpack(CACHES / name, Path.cwd(), server.port)
        expected, paid = completed(), JOURNAL.read_bytes()
        money = money_of(Path("expected" if Path("expected").exists() else "cache"))
        for _ in range(2):  # without an index, and with the one that the first run made
            run_again(name, server)
            assert files_of(Path("cache")) == expected
            assert JOURNAL.read_bytes().startswith(paid)
            assert money_of(Path("cache")) == money


@pytest.mark.parametrize("name", ANSWERED)
def test_step_files_come_back_from_the_journal(name: str) -> None:
    """What a kill before the commit leaves, or somebody who tidies up; the index does not fit, the journal is torn."""
    with servers.refusing() as server:
        unpack(CACHES / name, Path.cwd(), server.port)
        expected = completed()
        for path in steps():
            if path.name.endswith(".jsonl"):
                content = path.read_bytes()
                path.with_name(f"{path.name}.part").write_bytes(content[: len(content) // 2])
            path.unlink()
        (JOURNAL.parent / "index.sqlite").write_bytes(b"no database")
        with JOURNAL.open("ab") as journal:
            journal.write(b'{"t":"got","id":"0123')
        run_again(name, server)
        assert files_of(Path("cache")) == expected


@pytest.mark.parametrize("name", ANSWERED_BY_A_SERVER)
def test_the_same_rows_are_asked_the_same_and_journalled_alike(name: str) -> None:
    cache = ANSWERED[name]
    assert cache.server is not None
    with cache.server() as server:
        unpack(CACHES / name, Path.cwd(), server.port)
        expected, paid = completed(), attempts(JOURNAL)
        interrupted = Path("expected").exists()
        for folder in ("cache", "edits"):
            shutil.rmtree(folder, ignore_errors=True)
        if interrupted:
            with pytest.raises(FatalAnswer, match="no credit left"):
                cache.run(Place(server.url))
        cache.run(Place(server.url))
        assert files_of(Path("cache")) == expected
        assert attempts(JOURNAL) == paid


def attempts(journal: Path) -> Counter[bytes]:
    """The lines that say what was asked and what came of it, but for the crc and the number of the step."""
    lines = Counter[bytes]()
    for line in journal.read_bytes().splitlines():
        entry = json.loads(line)
        if entry["t"] in ("start", "got", "fail", "currency"):
            lines[json.dumps({key: value for key, value in entry.items() if key not in ("k", "crc")}).encode()] += 1
    return lines


@pytest.mark.parametrize("name", ["edit", "two_prefixes", "edit_absolute", "demo"])
def test_pictures_without_their_lines_are_found_again(name: str) -> None:
    with servers.refusing() as server:
        unpack(CACHES / name, Path.cwd(), server.port)
        expected = {path: content for path, content in completed().items() if ".meta." not in path}
        lines = JOURNAL.read_bytes().splitlines(keepends=True)
        last = max(at for at, line in enumerate(lines) if b'"t":"got"' in line)
        del lines[last]
        JOURNAL.write_bytes(b"".join(lines))
        assert sum(summary.adopted for summary in run_again(name, server)) == 1
        assert {path: content for path, content in files_of(Path("cache")).items() if path in expected} == expected


def test_a_cache_that_was_moved_finds_its_pictures() -> None:
    """The second step runs over the rows of the first, which name the folder where they were made."""
    with servers.refusing() as server:
        unpack(CACHES / "edit_absolute", Path.cwd(), server.port)
        here = Path.cwd()
        first, second = (here / f"cache/dataflow_cache_step_step{number}.jsonl" for number in (1, 2))
        expected = second.read_text()
        for path in (first, first.with_suffix(".meta.json"), second):
            path.write_text(path.read_text().replace(f"{here}/cache", "/made/elsewhere/cache"))
        second.unlink()
        storage = FileStorage(here / "rows.jsonl", here / "cache")
        storage.step()
        summary = edit_drawn(Place(server.url), storage.step(), here / "edits")
        assert (summary.requests, server.requests) == (0, 0)
        assert second.read_text() == expected


@pytest.mark.parametrize("name", IN_FLIGHT)
def test_a_batch_at_the_provider_is_picked_up(name: str) -> None:
    with BatchServer(looks=1) as server:
        unpack(CACHES / name, Path.cwd(), server.port)
        taken = attempts(JOURNAL)
        give_to_provider(server)
        (summary,) = IN_FLIGHT[name].run(Place(server.url))
        close_pools()
        assert (server.stages["upload"], server.stages["send"], server.stages["create"]) == (0, 0, 1)
        assert set(server.submitted.values()) == {1}
        assert (summary.rows, summary.failed) == (3, 0)
        check_batch_rows(read(Path("cache/dataflow_cache_step_step1.jsonl")), server)
        assert attempts(JOURNAL) >= taken
        assert not [path for path in Path("cache/images/.batches").rglob("*") if path.is_file()]


def give_to_provider(server: BatchServer) -> None:
    """What the run before had sent: the file of requests, and a batch of it under the tag that is on record."""
    (path,) = Path("cache/images/.batches").rglob("*.json")
    record = json.loads(path.read_bytes())
    path.write_text(json.dumps({**record, "began": time.time()}))  # the provider keeps it for a month
    server.files["file-0"] = Path("provider/file.jsonl").read_bytes()
    tag, address = record["tag"], record["owner"]["address"]
    if record["owner"]["format"] == "gemini":
        url = f"{address}{record['path'].replace(':generateContent', ':batchGenerateContent')}"
        body: Any = {"batch": {"displayName": tag, "inputConfig": {"fileName": record["input_file"]}}}
    else:
        url, metadata = f"{address}/batches", {"dataflow_tag": tag}
        body = {"completion_window": "24h", "input_file_id": record["input_file"], "metadata": metadata}
        body["endpoint"] = f"/v1{record['path']}"
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(asked).close()


def check_batch_rows(rows: Iterable[dict[str, Any]], server: BatchServer) -> None:
    source = Path("a.png").read_bytes()
    for row in rows:
        (made,) = row["edited_images"]
        assert read_mark(made) == mark_of(row["conversations"], [source])
        assert Path(made).name.removesuffix("_0.png") in server.submitted


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_no_fixture_names_a_folder_of_the_machine_that_made_it() -> None:
    for path in CACHES.rglob("*"):
        if path.is_file() and path.suffix in (".json", ".jsonl", ".csv"):
            assert str(Path("~").expanduser()) not in (text := path.read_text(encoding="utf-8")), path
            assert "/tmp/" not in text, path

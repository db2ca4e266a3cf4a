"""Reading along in a journal that grows, tears, shrinks and is replaced."""

import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.core.records import JSON
from dataflow.errors import ConfigError, JournalDamaged
from dataflow.journal.follow import JournalFollower
from dataflow.journal.journal import Journal
from dataflow.journal.lines import encode_line


def begin(cache: Path, *lines: bytes, name: str = "one", version: int = 1) -> Path:
    file = cache / ".dataflow" / "journal.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_line({"t": "journal", "v": version, "name": name}) + b"".join(lines))
    return file


def got(number: int) -> bytes:
    return encode_line({"t": "got", "id": f"{number:032x}", "n": 0, "pics": []})


def numbers(follower: JournalFollower) -> list[int]:
    return [int(entry["id"], 16) for entry in follower.read() if entry["t"] == "got"] if follower.has_new() else []


def test_each_line_is_given_out_once_and_whole(tmp_path: Path) -> None:
    file = begin(tmp_path, got(1), got(2))
    follower = JournalFollower(tmp_path)
    assert numbers(follower) == [1, 2]
    assert not follower.has_new()
    line = got(3)
    for cut in range(len(line)):
        file.write_bytes(file.read_bytes()[: follower._offset] + line[:cut])
        assert numbers(follower) == []
    with file.open("ab") as journal:
        journal.write(line[cut:] + got(4))
    assert numbers(follower) == [3, 4]
    assert follower.damaged == 0


def test_a_torn_tail_that_the_next_run_cuts_off_is_never_seen(tmp_path: Path) -> None:
    file = begin(tmp_path, got(1), got(2)[:-9])
    follower = JournalFollower(tmp_path)
    assert numbers(follower) == [1]
    with Journal.opened(tmp_path) as journal:
        journal.start(f"{5:032x}", 0)
    assert [entry["t"] for entry in follower.read()] == ["run", "start"]
    assert got(2)[:-9] not in file.read_bytes()
    assert follower.damaged == 0


def test_damage_before_other_lines_is_passed_over_and_counted(tmp_path: Path) -> None:
    broken = got(2).replace(b"got", b"gut")
    begin(tmp_path, got(1), broken, broken, got(3))
    follower = JournalFollower(tmp_path)
    assert numbers(follower) == [1, 3]
    assert follower.damaged == 2


def test_another_journal_in_its_place_is_read_from_its_beginning(tmp_path: Path) -> None:
    begin(tmp_path, got(1), got(2))
    follower = JournalFollower(tmp_path)
    numbers(follower)
    before = follower.generation
    begin(tmp_path, got(7), got(8), got(9), name="another")
    assert numbers(follower) == [7, 8, 9]
    assert follower.generation == before + 1
    begin(tmp_path, got(5), name="another")
    assert numbers(follower) == [5]
    assert follower.generation == before + 2


def test_a_journal_that_is_missing_or_being_created_has_nothing_new(tmp_path: Path) -> None:
    follower = JournalFollower(tmp_path)
    assert not follower.has_new()
    file = begin(tmp_path)
    file.write_bytes(file.read_bytes()[:20])
    assert not follower.has_new()


def test_what_is_no_journal_or_a_newer_one_is_refused(tmp_path: Path) -> None:
    file = begin(tmp_path, version=2)
    with pytest.raises(ConfigError, match=r"newer dataflow-mm \(journal version 2, this one reads up to 1\): upgrade"):
        JournalFollower(tmp_path).has_new()
    file.write_bytes(b"something else\n")
    with pytest.raises(JournalDamaged, match=r"journal\.jsonl:1: not a journal"):
        JournalFollower(tmp_path).has_new()


MEASURED = """
import resource, sys
from pathlib import Path
from dataflow.journal.follow import JournalFollower
from dataflow.view.tally import Tally

def look():
    assert follower.has_new()
    for entry in follower.read():
        tally.enter(entry)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

folder = Path(sys.argv[1])
follower, tally = JournalFollower(folder), Tally()
first = look()
(folder / "more.jsonl").rename(follower.path)
print(look() - first, tally.steps["a_step1.jsonl"].requests, tally.money.spent)
"""


def test_200000_lines_more_are_summed_up_in_no_more_memory(tmp_path: Path) -> None:
    file = begin(tmp_path)
    step: dict[str, JSON] = {"t": "step", "k": 1, "file": "a_step1.jsonl", "name": "A", "of": 100_000, "at": 0}
    lines = []
    for number in range(10_000):
        start: dict[str, JSON] = {"t": "start", "id": f"{number:032x}", "n": 0, "most": 0.04, "k": 1}
        end: dict[str, JSON] = {"t": "got", "id": f"{number:032x}", "n": 0, "pics": [], "cost": 0.039}
        lines.append(encode_line(start) + encode_line(end))
    with file.open("ab") as journal:
        journal.write(encode_line({"t": "run", "at": 0, "pid": 1}) + encode_line(step) + b"".join(lines))
    (tmp_path / "more.jsonl").write_bytes(file.read_bytes() + b"".join(lines) * 10)
    done = subprocess.run([sys.executable, "-c", MEASURED, str(tmp_path)], capture_output=True, text=True, check=True)
    grown, requests, spent = map(int, done.stdout.split())
    assert (requests, spent) == (110_000, 110_000 * 39_000_000)
    assert grown * (1 if sys.platform == "darwin" else 1024) < 4_000_000

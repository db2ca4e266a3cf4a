"""The journal under everything that can happen to a file and to a process."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from dataflow.core.records import JSON, Answer, PictureFacts
from dataflow.errors import CacheBusy, ConfigError, Failure, JournalDamaged
from dataflow.journal.index import REFUSED
from dataflow.journal.journal import Journal
from dataflow.journal.lines import encode_line
from tests.kit.flow import journal_entries

IDS = [f"{n:032x}" for n in range(1, 8)]


def fill(cache: Path) -> Path:
    """Seven answers, one of them refused; returns the journal file."""
    with Journal.opened(cache) as journal:
        for number, request in enumerate(IDS):
            journal.start(request, 0)
            if number == 3:
                journal.fail(request, 0, Failure("retry", "busy"), again=True)
                journal.start(request, 1)
                journal.fail(request, 1, Failure("refused", "no"), again=False)
            else:
                journal.got(request, 0, Answer(text=f"text {number}"))
    return cache / ".dataflow" / "journal.jsonl"


def texts(cache: Path) -> list[str | None]:
    """What each id was answered; None for one the journal does not know."""
    with Journal.opened(cache) as journal:
        found = [
            None if place is None else journal.read(place, request)
            for place, request in zip(journal.places(IDS), IDS, strict=True)
        ]
    return [None if answer is None else answer.text or str(answer.error) for answer in found]


EXPECTED = ["text 0", "text 1", "text 2", "no", "text 4", "text 5", "text 6"]


def test_answers_are_there_again_and_a_refusal_is_known_as_one(tmp_path: Path) -> None:
    fill(tmp_path)
    assert texts(tmp_path) == EXPECTED
    with Journal.opened(tmp_path) as journal:
        (place,) = journal.places(IDS[3:4])
        assert place is not None
        assert place.kind == REFUSED
        assert journal.index.count_started() == 0


def test_a_tail_torn_at_any_byte_of_the_last_three_lines_is_cut_off(tmp_path: Path) -> None:
    whole = fill(tmp_path).read_bytes()
    lines = whole.splitlines(keepends=True)
    third_last = len(whole) - sum(map(len, lines[-3:]))
    file = tmp_path / ".dataflow" / "journal.jsonl"
    for length in range(third_last, len(whole)):
        file.write_bytes(whole[:length])
        ends = [sum(map(len, lines[: n + 1])) for n in range(len(lines))]
        kept = sum(end <= length for end in ends)
        answered = sum(b'"got"' in line or b'"refused"' in line for line in lines[:kept])
        assert texts(tmp_path) == [text if n < answered else None for n, text in enumerate(EXPECTED)]
        assert file.read_bytes().startswith(b"".join(lines[:kept]) + b'{"t":"run"')


def test_after_a_torn_tail_new_lines_follow_whole_ones(tmp_path: Path) -> None:
    file = fill(tmp_path)
    os.truncate(file, file.stat().st_size - 5)
    with Journal.opened(tmp_path) as journal:
        journal.got(IDS[6], 0, Answer(text="again"))
    assert texts(tmp_path) == [*EXPECTED[:6], "again"]
    assert len(journal_entries(tmp_path)) == len(file.read_bytes().splitlines())


@pytest.mark.parametrize("bit", [0, 3, 7])
def test_a_flipped_bit_anywhere_but_in_the_last_line_is_refused_by_its_number(tmp_path: Path, bit: int) -> None:
    whole = fill(tmp_path).read_bytes()
    file, index = tmp_path / ".dataflow" / "journal.jsonl", tmp_path / ".dataflow" / "index.sqlite"
    start = 0
    for number, line in enumerate(whole.splitlines(keepends=True)[:-1], 1):
        for at in (0, len(line) // 2, len(line) - 1):
            index.unlink(missing_ok=True)
            damaged = bytearray(whole)
            damaged[start + at] ^= 1 << bit
            file.write_bytes(damaged)
            with pytest.raises(JournalDamaged, match=rf"journal\.jsonl:{number}: "):
                texts(tmp_path)
            assert file.read_bytes() == damaged
        start += len(line)


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


def test_a_refused_journal_leaves_no_file_open(tmp_path: Path) -> None:
    file = fill(tmp_path)
    (tmp_path / ".dataflow" / "index.sqlite").unlink()
    file.write_bytes(file.read_bytes().replace(b"text 2", b"uext 2"))
    before = open_files()
    with pytest.raises(JournalDamaged) as caught:
        texts(tmp_path)
    assert (open_files(), caught.value.__traceback__ is None) == (before, False)


def test_damage_in_a_line_the_index_covers_is_found_when_it_is_read(tmp_path: Path) -> None:
    file = fill(tmp_path)
    damaged = bytearray(file.read_bytes())
    damaged[damaged.index(b"text 2")] ^= 1
    file.write_bytes(damaged)
    number = damaged[: damaged.index(b"uext 2")].count(b"\n") + 1
    with pytest.raises(JournalDamaged, match=rf"journal\.jsonl:{number}: .*delete that line"):
        texts(tmp_path)


def test_deleting_the_damaged_line_as_told_makes_the_journal_usable(tmp_path: Path) -> None:
    file = fill(tmp_path)
    with Journal.opened(tmp_path) as journal:
        for request in IDS:
            journal.start(f"f{request[1:]}", 0)
    lines = file.read_bytes().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if b"text 2" in line)
    file.write_bytes(b"".join(lines[:at] + lines[at + 1 :]))
    assert texts(tmp_path) == [*EXPECTED[:2], None, *EXPECTED[3:]]
    rest = b"".join(lines[:at] + lines[at + 1 :])
    file.write_bytes(rest + b"".join(encode_line({"t": "run", "at": 0, "pad": "x" * 500}) for _ in range(4)))
    assert texts(tmp_path) == [*EXPECTED[:2], None, *EXPECTED[3:]]


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".dataflow").mkdir()
    (tmp_path / ".dataflow" / "journal.jsonl").write_bytes(encode_line({"t": "journal", "v": 2, "name": "n"}))
    with pytest.raises(ConfigError, match=r"newer dataflow-mm .*upgrade"):
        texts(tmp_path)


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".dataflow").mkdir()
    file = tmp_path / ".dataflow" / "journal.jsonl"
    for other in (b"hello\n", b"x" * 5000, encode_line({"t": "start", "id": IDS[0], "n": 0})):
        file.write_bytes(other)
        with pytest.raises(JournalDamaged, match=r"journal\.jsonl:1: not a journal"):
            texts(tmp_path)
        assert file.read_bytes() == other


def test_a_header_torn_while_the_journal_was_made_is_written_anew(tmp_path: Path) -> None:
    file = fill(tmp_path)
    header = file.read_bytes().splitlines()[0]
    for length in (0, 1, len(header)):
        file.write_bytes(header[:length])
        assert texts(tmp_path) == [None] * 7


def _corrupt(index: Path) -> None:
    index.write_bytes(b"no database" * 1000)


def _corrupt_inside(index: Path) -> None:
    data = bytearray(index.read_bytes())
    data[4096:] = b"\x55" * (len(data) - 4096)
    index.write_bytes(data)


def _change(index: Path, *statements: str) -> None:
    with closing(sqlite3.connect(index)) as db, db:
        for statement in statements:
            db.execute(statement)


def _behind(index: Path) -> None:
    answers = "DELETE FROM answers WHERE place > 500"
    _change(
        index, answers, "UPDATE facts SET value = 0 WHERE name = 'scanned'", "DELETE FROM facts WHERE name = 'tail'"
    )


def _foreign(index: Path) -> None:
    journal = "UPDATE facts SET value = 'another' WHERE name = 'journal'"
    _change(index, journal, "UPDATE answers SET place = place + 3")


def _ahead(index: Path) -> None:
    _change(index, "UPDATE facts SET value = 10000000 WHERE name = 'scanned'")


def _beside_the_lines(index: Path) -> None:
    _change(index, "UPDATE answers SET place = place + 1")


def _inside_a_line(index: Path) -> None:
    """As two processes that write one journal leave it: what was scanned ends in the middle of a line."""
    journal = index.with_name("journal.jsonl").read_bytes()
    within = len(journal) - 100
    tail = f"UPDATE facts SET value = '{journal[within - 16 : within].hex()}' WHERE name = 'tail'"
    _change(index, f"UPDATE facts SET value = {within} WHERE name IN ('scanned', 'summed')", tail)


def _no_number(index: Path) -> None:
    _change(index, "UPDATE facts SET value = 'many' WHERE name = 'spent'")


HARMS = [
    *(Path.unlink, _corrupt, _corrupt_inside, _behind, _foreign, _ahead),
    *(_beside_the_lines, _inside_a_line, _no_number),
]


@pytest.mark.parametrize("harm", HARMS)
def test_a_lost_or_wrong_index_is_filled_again(tmp_path: Path, harm: object) -> None:
    fill(tmp_path)
    harm(tmp_path / ".dataflow" / "index.sqlite")  # type: ignore[operator]
    assert texts(tmp_path) == EXPECTED
    assert texts(tmp_path) == EXPECTED


def test_an_index_that_is_damaged_while_it_is_open_is_filled_again(tmp_path: Path) -> None:
    fill(tmp_path)
    with Journal.opened(tmp_path) as journal:
        journal.index._db.execute("PRAGMA cache_size=0")
        journal.index._db.execute("DROP TABLE answers")
        assert [place is not None for place in journal.places(IDS)] == [True] * 7
        journal.got("f" * 32, 0, Answer(text="one more"))
        journal.index._db.execute("DROP TABLE started")
    assert texts(tmp_path) == EXPECTED


def test_what_is_known_of_pictures_outlives_a_wrong_index(tmp_path: Path) -> None:
    facts = PictureFacts(10, 1_700_000_000_000_000_123, "ab" * 32, 8, 6)
    with Journal.opened(tmp_path) as journal:
        journal.got(IDS[0], 0, Answer(text="text"))
        journal.index.keep_picture("/a.png", facts)
    _foreign(tmp_path / ".dataflow" / "index.sqlite")
    with Journal.opened(tmp_path) as journal:
        assert journal.index.picture("/a.png") == facts


def test_what_somebody_else_wrote_into_the_journal_is_found(tmp_path: Path) -> None:
    """On a network disk without locks; each sees its own lines until the next run, which sees all."""
    with Journal.opened(tmp_path) as journal:
        journal.got(IDS[0], 0, Answer(text="text 0"))
        with (tmp_path / ".dataflow" / "journal.jsonl").open("ab") as other:
            other.write(encode_line({"t": "got", "id": IDS[1], "n": 0, "pics": [], "text": "text 1"}))
        journal.got(IDS[2], 0, Answer(text="text 2"))
    assert texts(tmp_path)[:3] == EXPECTED[:3]


def test_an_index_that_another_process_has_open_is_busy(tmp_path: Path) -> None:
    fill(tmp_path)
    process = holder(tmp_path)
    try:
        (tmp_path / ".dataflow" / "lock").unlink()
        with pytest.raises(CacheBusy, match=r"index\.sqlite is in use by another process"), Journal.opened(tmp_path):
            pass
    finally:
        process.communicate()
    assert texts(tmp_path) == EXPECTED


@pytest.mark.parametrize(
    "entry",
    [
        {"t": "got", "id": IDS[0], "n": 0},
        {"t": "got", "id": IDS[0], "n": 0, "pics": [["a.png", "ab"]]},
        {"t": "got", "id": IDS[0], "n": 0, "pics": [], "cost": "much"},
        {"t": "got", "n": 0, "pics": []},
        {"t": "fail", "id": "one", "n": 0, "class": "failed", "reason": "why"},
        {"t": "fail", "id": IDS[0], "n": 0},
        {"t": "start"},
        {"t": "currency"},
        {"id": IDS[0]},
    ],
)
def test_a_line_of_another_version_is_refused_in_words(tmp_path: Path, entry: dict[str, JSON]) -> None:
    path = fill(tmp_path)
    lines = len(path.read_bytes().splitlines())
    with path.open("ab") as journal:
        journal.write(encode_line(entry))
    with pytest.raises(ConfigError, match=rf"journal\.jsonl:{lines + 1}: this line is whole, and of a form"):
        texts(tmp_path)


def test_the_index_of_another_cache_copied_in_is_not_believed(tmp_path: Path) -> None:
    fill(tmp_path / "a")
    with Journal.opened(tmp_path / "b") as journal:
        journal.got(IDS[0], 0, Answer(text="other"))
    index = tmp_path / "b" / ".dataflow" / "index.sqlite"
    index.write_bytes((tmp_path / "a" / ".dataflow" / "index.sqlite").read_bytes())
    assert texts(tmp_path / "b") == ["other"] + [None] * 6


HOLD = """
import sys
from pathlib import Path
from dataflow.journal.journal import Journal
with Journal.opened(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(cache: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(cache)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("how", ["end", "kill"])
def test_a_second_process_is_told_the_pid_and_gets_the_lock_afterwards(tmp_path: Path, how: str) -> None:
    with holder(tmp_path) as other:
        began = time.monotonic()
        with pytest.raises(CacheBusy, match=rf"in use by process {other.pid}: wait for it, or give"):
            texts(tmp_path)
        assert time.monotonic() - began < 2
        if how == "kill":
            other.send_signal(signal.SIGKILL)
            other.wait()
        else:
            other.communicate()
        assert texts(tmp_path) == [None] * 7


def test_two_threads_share_the_journal_and_every_line_stays_whole(tmp_path: Path) -> None:
    journals: list[Journal] = []
    both = threading.Barrier(2)

    def write(half: int) -> None:
        with Journal.opened(tmp_path) as journal:
            journals.append(journal)
            both.wait()
            for n in range(half, 400, 2):
                journal.got(f"{n:032x}", 0, Answer(text=f"{n}" * 50))
            both.wait()

    threads = [threading.Thread(target=write, args=(half,)) for half in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journals[0] is journals[1]
    entries = [entry for entry in journal_entries(tmp_path) if entry["t"] == "got"]
    assert sorted(entry["id"] for entry in entries) == [f"{n:032x}" for n in range(400)]


def test_one_directory_by_two_names_is_one_journal(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "cache")
    with Journal.opened(tmp_path / "cache") as one:
        for name in ("x/../cache", "link"):
            (tmp_path / "x").mkdir(exist_ok=True)
            with Journal.opened(tmp_path / name) as other:
                assert other is one


LIMITED = """
import resource, signal, sys
from pathlib import Path
from dataflow.core.records import Answer
from dataflow.journal.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Journal.opened(Path(sys.argv[1])) as journal:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    for n in range(100):
        try:
            journal.got(f"{n:032x}", 0, Answer(text="x" * 3000))
        except OSError as error:
            print(n, error.errno, flush=True)
            break
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


def test_a_write_cut_short_by_a_size_limit_leaves_no_torn_line(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), "20000"], capture_output=True, text=True, check=True
    )
    count, errno = map(int, made.stdout.split())
    assert errno == 27  # EFBIG
    data = (tmp_path / ".dataflow" / "journal.jsonl").read_bytes()
    assert data.endswith(b"}\n")
    assert len(journal_entries(tmp_path)) == data.count(b"\n") == count + 2


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    # Root may write everywhere but in the kernel's own file system.
    folder = tmp_path if os.geteuid() else Path("/sys/dataflow-test")
    with pytest.raises(ConfigError, match="choose a cache_path you may write"):
        texts(folder)


def test_a_cache_path_that_is_a_file_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"/file.*cache_path"):
        texts(tmp_path / "file")

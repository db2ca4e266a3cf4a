"""A real journal torn and damaged at every place, and what the next run of the pipeline then pays."""

import random
from pathlib import Path

import pytest

from dataflow.errors import JournalDamaged
from tests.chaos.checks import check_rows, write_prompts
from tests.chaos.edit_once import edit
from tests.kit.loopback import LoopbackServer


def tear(folder: Path, rows: int, every: int) -> int:
    """Cut the journal of a finished run at byte offsets of its last three lines; returns how many there were."""
    prompts = write_prompts(folder, rows)
    with LoopbackServer(remember=False) as server:
        edit(server.url, folder)
        file = folder / "cache/.dataflow/journal.jsonl"
        whole = file.read_bytes()
        lines = whole.splitlines(keepends=True)
        offsets = range(len(whole) - sum(map(len, lines[-3:])), len(whole), every)
        for length in offsets:
            file.write_bytes(whole[:length])
            (folder / "cache/dataflow_cache_step_step1.jsonl").unlink()
            summary = edit(server.url, folder)
            assert summary.reused + summary.adopted == rows
            assert file.read_bytes().endswith(b"}\n")
        assert server.requests == rows, "a picture on disk was paid again"
    check_rows(folder, prompts)
    return len(offsets)


def flip(folder: Path, rows: int, every: int, seed: int) -> int:
    """Flip one bit in bytes of the lines in mid-file; returns how many were tried."""
    prompts = write_prompts(folder, rows)
    chance = random.Random(seed)
    with LoopbackServer(remember=False) as server:
        edit(server.url, folder)
        file, index = (folder / "cache/.dataflow" / name for name in ("journal.jsonl", "index.sqlite"))
        whole = file.read_bytes()
        lines = whole.splitlines(keepends=True)
        numbers = range(len(lines) // 2, len(lines) // 2 + 3)
        tried = 0
        for number in numbers:
            start = sum(map(len, lines[:number]))
            for at in range(start, start + len(lines[number]), every):
                damaged = bytearray(whole)
                damaged[at] ^= 1 << chance.randrange(8)
                file.write_bytes(damaged)
                index.unlink(missing_ok=True)
                with pytest.raises(JournalDamaged, match=rf"journal\.jsonl:{number + 1}: .*delete that line"):
                    edit(server.url, folder)
                assert file.read_bytes() == damaged
                tried += 1
            file.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))
            assert edit(server.url, folder).requests == 0, "the answer of the deleted line was paid again"
        assert server.requests == rows
    check_rows(folder, prompts)
    return tried


def test_a_torn_tail_costs_nothing(tmp_path: Path) -> None:
    assert tear(tmp_path, rows=4, every=97) > 5


def test_a_flipped_bit_is_refused_and_its_line_can_be_deleted(tmp_path: Path) -> None:
    assert flip(tmp_path, rows=4, every=60, seed=1) > 5


@pytest.mark.chaos
@pytest.mark.timeout(1200)
def test_a_tail_torn_at_every_byte_costs_nothing(tmp_path: Path) -> None:
    print(f"{tear(tmp_path, rows=12, every=1)} byte offsets, 0 requests")


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_bit_flipped_at_every_byte_of_three_lines_is_refused(tmp_path: Path) -> None:
    print(f"{flip(tmp_path, rows=12, every=1, seed=2)} flipped bits refused, each by its line")

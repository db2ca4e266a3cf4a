"""A process killed while it writes the index leaves one that is whole and merely behind."""

import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

WRITER = """
import hashlib, sys
from pathlib import Path
from dataflow.journal.index import ANSWERED, Index, Place
index = Index(Path(sys.argv[1]), "j", lambda offset: b"")
for n in range(10**9):
    index.end(hashlib.md5(str(n).encode()).digest(), Place(n, ANSWERED))
    if n % 5000 == 4999:
        index.write(index.cut(), n + 1)
        print(n, flush=True)
"""


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(40))
def test_an_index_killed_in_a_commit_is_whole(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "index.sqlite"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(chance.randrange(5, 20)):
        process.stdout.readline()
    try:
        process.wait(timeout=chance.uniform(0.0, 0.06))
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    (scanned,) = db.execute("SELECT value FROM facts WHERE name = 'scanned'").fetchone()
    assert db.execute("SELECT count(*) FROM answers").fetchone() == (scanned,)
    db.close()

"""Scenarios on disks of our own, in a mount namespace that nobody else sees; each prints what happened as JSON.

unshare --mount python -m tests.chaos.disks SCENARIO URL FOLDER
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.chaos.checks import ROOT, whole_pictures

Facts = dict[str, object]
SIZE = "64m"


def mount(folder: Path, options: str) -> None:
    """A tmpfs there, or other options for the one that is."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)


def begin(url: str, folder: Path, *pictures: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.chaos.edit_once", url, str(folder), *map(str, pictures)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def end(process: "subprocess.Popen[str]") -> tuple[int, str]:
    said, _ = process.communicate(timeout=300)
    return process.returncode, said


def wait_for(happened: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    while not happened():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def fill(file: Path) -> None:
    """Take all space that is left."""
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(b"\0" * (1 << 16))


def resumed(url: str, folder: Path, *pictures: Path) -> Facts:
    code, said = end(begin(url, folder, *pictures))
    return {"resumed": code, "summary": said.strip().splitlines()[-1]}


def too_small(url: str, folder: Path) -> Facts:
    """The disk is smaller than what the rows need; then it grows."""
    cache = folder / "cache"
    mount(cache, f"size={SIZE}")
    code, said = end(begin(url, folder))
    pictures = whole_pictures(cache / "images")
    mount(cache, "remount,size=512m")
    return {"code": code, "said": said, "pictures": pictures, **resumed(url, folder)}


def few_files(url: str, folder: Path) -> Facts:
    """The disk takes fewer files than the rows need; then it takes more."""
    cache = folder / "cache"
    mount(cache, "size=512m,nr_inodes=420")
    code, said = end(begin(url, folder))
    pictures = whole_pictures(cache / "images")
    mount(cache, "remount,nr_inodes=4k")
    return {"code": code, "said": said, "pictures": pictures, **resumed(url, folder)}


def filled_by_another(url: str, folder: Path, *, freed: bool) -> Facts:
    """Somebody else takes all space while requests are in flight, and gives it back or not."""
    cache = folder / "cache"
    mount(cache, f"size={SIZE}")
    process = begin(url, folder)
    wait_for(lambda: len(list((cache / "images").glob("*/*.png"))) >= 8, process)
    fill(cache / "filler")
    if freed:
        time.sleep(5)
        (cache / "filler").unlink()
    code, said = end(process)
    pictures = whole_pictures(cache / "images")
    (cache / "filler").unlink(missing_ok=True)
    mount(cache, "remount,size=512m")
    return {"code": code, "said": said, "pictures": pictures, **resumed(url, folder)}


def freed(url: str, folder: Path) -> Facts:
    return filled_by_another(url, folder, freed=True)


def not_freed(url: str, folder: Path) -> Facts:
    return filled_by_another(url, folder, freed=False)


def read_only(url: str, folder: Path) -> Facts:
    """The whole cache directory, before a run that would resume in it."""
    cache = folder / "cache"
    mount(cache, "size=512m")
    first = begin(url, folder)
    wait_for(lambda: len(list((cache / "images").glob("*/*.png"))) >= 8, first)
    first.kill()
    end(first)
    mount(cache, "remount,ro")
    before = {path: path.stat().st_size for path in cache.rglob("*") if path.is_file()}
    code, said = end(begin(url, folder))
    same = before == {path: path.stat().st_size for path in cache.rglob("*") if path.is_file()}
    mount(cache, "remount,rw")
    return {"code": code, "said": said, "untouched": same, **resumed(url, folder)}


def pictures_read_only(url: str, folder: Path) -> Facts:
    """The disk of the pictures, while the run goes on; the journal's stays as it is."""
    pictures = folder / "pictures"
    mount(pictures, "size=512m")
    process = begin(url, folder, pictures)
    wait_for(lambda: len(list(pictures.glob("*/*.png"))) >= 8, process)
    while subprocess.run(["mount", "-o", "remount,ro", str(pictures)], capture_output=True).returncode:
        time.sleep(0.001)  # a file on it is just being written
    code, said = end(process)
    whole = whole_pictures(pictures)
    mount(pictures, "remount,rw")
    return {"code": code, "said": said, "pictures": whole, **resumed(url, folder, pictures)}


SCENARIOS = {each.__name__: each for each in (too_small, few_files, freed, not_freed, read_only, pictures_read_only)}

if __name__ == "__main__":
    facts = SCENARIOS[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
    os._exit(0)

"""Answers that the disk does not take: which errors may pass, and what the user is told."""

import asyncio
import errno
import os
import time
from pathlib import Path

import pytest

from dataflow.errors import NotStored
from dataflow.utils.disk_retry import cannot_begin, may_pass, nearest_folder, not_stored, until_stored, warn_of_held


def test_a_write_to_a_full_device_is_tried_again_until_it_succeeds(tmp_path: Path) -> None:
    places = [Path("/dev/full"), Path("/dev/full"), tmp_path / "a"]
    waits = asyncio.run(until_stored(lambda: places.pop(0).write_bytes(b"abc"), here=True, seconds=0.2))
    assert (waits, (tmp_path / "a").read_bytes()) == (3, b"abc")


def test_a_write_that_never_succeeds_is_given_up(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(NotStored, match=r"cannot write .*No space left on device"):
        asyncio.run(until_stored(lambda: Path("/dev/full").write_bytes(b"abc"), seconds=0.1))
    assert time.monotonic() - began < 5
    (tmp_path / "file").touch()
    with pytest.raises(NotStored, match=r"/file/a"):
        asyncio.run(until_stored(lambda: (tmp_path / "file" / "a").write_bytes(b"abc")))


@pytest.mark.parametrize(
    ("number", "passes"), [(errno.ENOSPC, True), (errno.EROFS, True), (errno.EMFILE, True), (errno.EACCES, False)]
)
def test_an_error_may_pass_where_the_user_can_mend_it_meanwhile(number: int, passes: bool) -> None:
    assert may_pass(OSError(number, os.strerror(number))) is passes


def test_the_error_names_the_file_and_what_mends_it(tmp_path: Path) -> None:
    cause = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    error = not_stored(cause, tmp_path / "a")
    assert (error.__cause__, cause.filename) == (cause, str(tmp_path / "a"))
    words = f"cannot write {tmp_path / 'a'}: No space left on device; free some space, or write elsewhere, then run the"
    assert str(error).startswith(words)
    denied = cannot_begin(PermissionError(errno.EACCES, "Permission denied"), tmp_path)
    assert str(denied) == f"cannot write {tmp_path} (Permission denied): choose a cache_path you may write"


def test_held_answers_are_warned_of_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        warn_of_held(OSError(errno.ENOSPC, "No space left on device", "a.png"))
    assert len([text for text in caplog.messages if text.startswith("cannot write a.png")]) <= 1


def test_the_nearest_folder_of_a_path_is_one_that_exists(tmp_path: Path) -> None:
    assert nearest_folder(str(tmp_path / "a/b/c")) == str(tmp_path)
    assert nearest_folder(str(tmp_path)) == str(tmp_path)

"""Checks that the disks have room for the next answers, in bytes and in files: a run stops before an answer is lost.

A look at a disk costs 2 µs and counts for 0.1 s; the requests that start meanwhile are counted. Each request in flight
is taken to need as much as the largest answer so far. A quota of the user shows only when a write fails.
"""

import os
import resource
import time
from collections.abc import Sequence

from dataflow.core.records import Answer, Job
from dataflow.core.words import count_of
from dataflow.journal.journal import Journal
from dataflow.utils.disk_retry import files_left, nearest_folder

FLOOR = 16 << 20  # bytes left for the index, the step's file and what else writes here
_LIMIT_FLOOR = 64 << 10  # bytes of the journal's own file left under a limit on its size
_FILES_FLOOR = 300  # files kept free for the run itself, 256 of them for folders of pictures
_LOOK_SECONDS = 0.1
_PICTURE = 2 << 20  # bytes assumed for an answer with a picture until the first one is there
_TEXT = 16 << 10  # bytes assumed for an answer without a picture
_LINE = 1 << 10  # bytes of the journal lines of an answer beside its text
_NO_LIMIT = 1 << 30  # starts


class Space:
    """The room on the disks that one step writes to.

    Args:
        journal: of the step's cache directory.
        folders: paths in which the step's workers store pictures; empty ones are left out.
    """

    def __init__(self, journal: Journal, folders: Sequence[str]) -> None:
        self._journal = journal
        self._folders = tuple(dict.fromkeys((str(journal.folder.path), *filter(None, folders))))
        self._largest = _TEXT  # bytes of the largest answer so far
        self._longest = _TEXT  # bytes of the longest text of an answer so far
        self._seen_picture = False
        self._files = 0  # most files of an answer so far
        self._look_at = 0.0
        self._allowed = 0  # starts until the next look

    def refuses(self, job: Job, in_flight: int) -> str:
        """Why a job must not start, as a sentence with its mend; empty if it may.

        Args:
            job: about to be sent.
            in_flight: how many jobs are in flight, whose answers need room too.
        """
        if job.request.makes == "image" and not self._seen_picture and self._largest < _PICTURE:
            self._expect(_PICTURE)
            self._files = 1
        now = time.monotonic()
        if now >= self._look_at or not self._allowed:
            if why := self._look(in_flight):
                return why
            self._look_at = now + _LOOK_SECONDS
        self._allowed -= 1
        return ""

    def saw(self, answer: Answer) -> None:
        """Note the size of an answer: the next ones may be as large."""
        size = sum(picture.size for picture in answer.pictures)
        if size and not self._seen_picture:
            self._seen_picture = True
            self._expect(_TEXT)
        if size + len(answer.text) > self._largest:
            self._expect(size + len(answer.text))
        self._longest = max(self._longest, len(answer.text))
        self._files = max(self._files, len(answer.pictures))

    def _expect(self, size: int) -> None:
        self._largest = size
        self._allowed = 0

    def _look(self, in_flight: int) -> str:
        """Look at the disks and count how many jobs may start; returns why none may, else an empty text."""
        self._allowed = _NO_LIMIT
        for name in self._folders:
            folder = nearest_folder(name)
            disk = os.statvfs(folder)
            if not os.path.isdir(folder) or not os.access(folder, os.W_OK):  # noqa: PTH112 - ten times a second
                what = "is on a read-only disk" if disk.f_flag & os.ST_RDONLY else "cannot be written to"
                return f"{folder} {what}: choose a folder you may write"
            files = (files_left(folder) - _FILES_FLOOR) / self._files if self._files else _NO_LIMIT
            if files <= in_flight:
                return (
                    f"the disk of {name} takes {count_of(disk.f_favail, 'more file')} (df -i), and {_FILES_FLOOR} are"
                    " kept for those of the run. Delete some files"
                )
            self._allowed = min(self._allowed, int(min(files, _NO_LIMIT)) - in_flight)
            if not disk.f_blocks:  # the file system does not say how large it is
                continue
            free = disk.f_bavail * disk.f_frsize
            self._allowed = min(self._allowed, (free - FLOOR) // self._largest - in_flight)
            if self._allowed <= 0:
                return (
                    f"the disk of {name} is almost full: {_mb(free)} left, {_mb(FLOOR)} are kept for the files of the"
                    f" run, and each of {count_of(in_flight + 1, 'answer')} may take {_mb(self._largest)}."
                    " Free some space"
                )
        return self._look_at_limit(in_flight)

    def _look_at_limit(self, in_flight: int) -> str:
        """The same for the limit on the size of one file (`ulimit -f`), which the journal and pictures must keep."""
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit == resource.RLIM_INFINITY:
            return ""
        lines = (limit - _LIMIT_FLOOR - self._journal.size) // (self._longest + _LINE)
        self._allowed = min(self._allowed, lines - in_flight if self._largest <= limit else 0)
        if self._allowed > 0:
            return ""
        return (
            f"the limit on the size of a file (ulimit -f: {_mb(limit)}) is too low for {self._journal.folder.journal}"
            f" ({_mb(self._journal.size)}) or for a picture ({_mb(self._largest)}). Raise it"
        )


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"

"""Finds the step files of a cache directory: `{prefix}_step{n}.{cache_type}`, `.part` behind it until complete."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from dataflow.utils.rowfiles import CACHE_TYPES

_NAME = re.compile(rf"(?P<prefix>.+)_step(?P<number>\d+)\.(?:{'|'.join(CACHE_TYPES)})(?P<part>\.part)?")


@dataclass(frozen=True, slots=True)
class StepFile:
    """The file of one step, as its name tells.

    Args:
        path: of the file.
        prefix: the `file_name_prefix` of the storage that made it.
        number: of the step, from 1.
        is_whole: whether the file is complete; else it is a file in the making.
    """

    path: Path
    prefix: str
    number: int
    is_whole: bool = True

    @property
    def name(self) -> str:
        """The name of the step, `{prefix}_step{n}`."""
        return f"{self.prefix}_step{self.number}"


def step_file(path: Path) -> StepFile | None:
    """The step file that has this path; None if it is another file's, such as a side output's or a meta file's."""
    match = _NAME.fullmatch(path.name)
    return None if match is None else StepFile(path, match["prefix"], int(match["number"]), match["part"] is None)


def step_files(cache_path: Path) -> list[StepFile]:
    """All step files of a directory, files in the making included, the newest run last.

    Runs, told apart by their prefix, are sorted by the time of their newest file. The steps of a run are sorted by
    number, since copying a directory mixes up the times of its files.
    """
    found: list[StepFile] = []
    newest: dict[str, int] = {}
    for path in cache_path.iterdir():
        if (file := step_file(path)) is not None:
            with suppress(FileNotFoundError):  # a run may rename a file meanwhile
                state = path.stat()
                if S_ISREG(state.st_mode):
                    found.append(file)
                    newest[file.prefix] = max(newest.get(file.prefix, 0), state.st_mtime_ns)
    return sorted(found, key=lambda file: (newest[file.prefix], file.prefix, file.number, file.path.name))

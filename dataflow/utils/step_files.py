"""The steps of a cache directory by their files: `{prefix}_step{n}.{cache_type}`, with `.part` while they are made."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from dataflow.utils.rowfiles import CACHE_TYPES

_NAME = re.compile(rf"(?P<prefix>.+)_step(?P<number>\d+)\.(?:{'|'.join(CACHE_TYPES)})(?P<part>\.part)?")


@dataclass(frozen=True, slots=True)
class StepFile:
    """The rows of one step.

    Args:
        path: of its file.
        prefix: of the run that made it.
        number: of the step, from 1.
        is_whole: it is no file in the making.
    """

    path: Path
    prefix: str
    number: int
    is_whole: bool = True

    @property
    def name(self) -> str:
        """Of the step."""
        return f"{self.prefix}_step{self.number}"


def step_file(path: Path) -> StepFile | None:
    """What a file's name says of it; None: it is no step's, but a side output, say, or a meta file."""
    match = _NAME.fullmatch(path.name)
    return None if match is None else StepFile(path, match["prefix"], int(match["number"]), match["part"] is None)


def step_files(cache_path: Path) -> list[StepFile]:
    """All steps of a directory, the newest last, those in the making too.

    Runs stand by the time of their newest file, the steps of a run by number, since copying a directory mixes up times.
    """
    found: list[StepFile] = []
    newest: dict[str, int] = {}
    for path in cache_path.iterdir():
        if (file := step_file(path)) is not None:
            with suppress(FileNotFoundError):  # a run renames what it has completed
                state = path.stat()
                if S_ISREG(state.st_mode):
                    found.append(file)
                    newest[file.prefix] = max(newest.get(file.prefix, 0), state.st_mtime_ns)
    return sorted(found, key=lambda file: (newest[file.prefix], file.prefix, file.number, file.path.name))

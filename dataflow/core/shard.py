"""A shard: one of n parts of the rows of a run, for machines that share a disk and nothing else.

Shards count from 0, as Slurm's arrays, Kubernetes' indexed jobs and the ranks of torch do: 16 of them are 0/16 to
15/16. The shard of a row depends on the contents of the row and never on its place in the file. So rows that ask the
same ("twins") are in one shard, and their requests get the ids that one run of all rows gives them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from dataflow.core.columns import is_said_by_user
from dataflow.core.records import Row
from dataflow.errors import ConfigError

VARIABLE = "DF_SHARD"
_FOLDER = re.compile(r"shard-(\d{3,})-of-(\d{3,})")
_NUMBERS = re.compile(r"(\d+)\s*/\s*(\d+)")
_KUBERNETES = "k8s"
_SLURM = "slurm"


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` parts of the rows.

    Args:
        index: of the part, from 0.
        count: how many parts there are.

    Raises:
        ConfigError: `count` is below 1, or `index` is not from 0 to `count` - 1.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"there is no shard {self}: rows are divided into 1 part or more, such as 3/16")
        if not 0 <= self.index < self.count:
            raise ConfigError(
                f"there is no shard {self}: shards count from 0, so the first is 0/{self.count} and the last"
                f" {self.count - 1}/{self.count}"
            )

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def folder(self) -> str:
        """The name of the shard's cache directory, which lies below the cache path: `shard-003-of-016`."""
        return f"shard-{self.index:03d}-of-{self.count:03d}"

    def has(self, row: Row, columns: Sequence[str] = ()) -> bool:
        """Whether a row belongs to this shard.

        Args:
            row: a row of the first step.
            columns: the columns that the first step's operator reads; none: all columns.
        """
        return int.from_bytes(_digest(row, columns or sorted(row))) % self.count == self.index


def _digest(row: Row, columns: Sequence[str]) -> bytes:
    """Eight bytes that are equal for rows that ask the same; rows that ask something else may share them."""
    digest = blake2b(digest_size=8)
    for column in columns:
        for word in _words(row.get(column)):
            digest.update(word.encode("utf-8", "surrogatepass") + b"\0")
        digest.update(b"\1")
    return digest.digest()


def _words(value: object) -> Iterator[str]:
    """The texts and paths in a field, in any of the forms that the guide allows; none for an empty field."""
    if isinstance(value, str):
        if word := value.strip().removeprefix("./"):
            yield word
    elif isinstance(value, dict):
        if not is_said_by_user(value):
            return
        content = value.get("content", value.get("value"))
        for part in (content,) if content is not None else (item for pair in sorted(value.items()) for item in pair):
            yield from _words(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _words(part)
    elif value is not None and value == value:  # NaN, pandas' missing value, does not equal itself
        yield repr(value)


def shard_of_folder(name: str) -> Shard | None:
    """The shard whose cache directory has this name; None if the name is no shard's."""
    match = _FOLDER.fullmatch(name)
    if match is None or not int(match[1]) < int(match[2]):
        return None
    shard = Shard(int(match[1]), int(match[2]))
    return shard if shard.folder == name else None


def read_shard(text: str, environment: Mapping[str, str]) -> Shard:
    """The shard that a text of `--shard` or `DF_SHARD` names.

    Args:
        text: "3/16"; "slurm" or "slurm/16" in a job array; "k8s" or "k8s/16" in an indexed job.
        environment: the environment of the process, which has the number of the task.

    Raises:
        ConfigError: the text has another form, or the environment does not have the number.
    """
    scheduler, _, count = text.strip().partition("/")
    if match := _NUMBERS.fullmatch(text.strip()):
        return Shard(int(match[1]), int(match[2]))
    if scheduler in (_SLURM, _KUBERNETES) and (not count or count.strip().isdecimal()):
        of_count = int(count) if count else None
        return _of_slurm(environment, of_count) if scheduler == _SLURM else _of_kubernetes(environment, of_count)
    raise ConfigError(
        f"{text!r} names no shard: give one as 3/16 (of 0/16 to 15/16), or say where its number stands: slurm in a job"
        f" array, k8s/16 in an indexed job with 16 completions"
    )


def _number(environment: Mapping[str, str], name: str, default: str = "") -> int:
    value = environment.get(name) or default
    if not value.isdecimal():
        found = f"is {value!r}" if value else "is not set"
        where = "an indexed job of Kubernetes (completionMode: Indexed)" if name.startswith("JOB") else "a job array"
        raise ConfigError(
            f"{name} {found}: this is no task of {where}. Give the shard itself, such as 3/16, or unset {VARIABLE} to"
            f" take all rows"
        )
    return int(value)


def _of_slurm(environment: Mapping[str, str], count: int | None) -> Shard:
    """The shard of a task of a job array.

    Args:
        environment: of the task.
        count: how many shards there are: then the number of the task is the index of the shard, whichever other tasks
            the array has. None: the array is complete, and its tasks are the shards.
    """
    number = _number(environment, "SLURM_ARRAY_TASK_ID")
    if count is not None:
        return Shard(number, count)
    count = _number(environment, "SLURM_ARRAY_TASK_COUNT")
    first = _number(environment, "SLURM_ARRAY_TASK_MIN", "0")
    step = _number(environment, "SLURM_ARRAY_TASK_STEP", "1") or 1
    last = _number(environment, "SLURM_ARRAY_TASK_MAX", str(first + step * (count - 1)))
    index, remainder = divmod(number - first, step)
    if remainder or not 0 <= index < count or (last - first) // step != count - 1:
        raise ConfigError(
            f"the job array has {count} tasks from {first} to {last}, with gaps, and the shards of one run are all of"
            f" one count. To run some of 16 shards again, keep --array, and say of how many: {VARIABLE}=slurm/16"
        )
    return Shard(index, count)


def _of_kubernetes(environment: Mapping[str, str], count: int | None) -> Shard:
    index = _number(environment, "JOB_COMPLETION_INDEX")
    if count is None and not environment.get("JOB_COMPLETIONS"):
        raise ConfigError(
            f"Kubernetes does not tell a pod how many completions its job has: say it, {VARIABLE}=k8s/16 for"
            f" completions: 16, or set JOB_COMPLETIONS"
        )
    return Shard(index, _number(environment, "JOB_COMPLETIONS") if count is None else count)

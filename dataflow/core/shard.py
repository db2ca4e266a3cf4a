"""A shard: one of n parts of the rows of a run, for machines that share a disk and nothing else.

Shards count from 0, as Slurm's arrays, Kubernetes' indexed jobs and the ranks of torch do: 16 of them are 0/16 to
15/16. A row's shard follows from what it asks and never from where it stands, so rows that ask the same ("twins") stay
together, and their requests have the ids that one run gives them.
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
    """One of `count` parts.

    Args:
        index: from 0.
        count: parts in all.

    Raises:
        ConfigError: there is no such part.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 <= self.index < self.count:
            last = f"{self.count - 1}/{self.count}" if self.count > 0 else "15/16"
            raise ConfigError(
                f"there is no shard {self}: shards count from 0, so the first is 0/{max(1, self.count)} and the last"
                f" {last}"
            )

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def folder(self) -> str:
        """Name of the folder below the cache path that is its own cache path."""
        return f"shard-{self.index:03d}-of-{self.count:03d}"

    def has(self, row: Row, columns: Sequence[str] = ()) -> bool:
        """Whether a row is of this part.

        Args:
            row: of the first step.
            columns: that the first step's operator reads; none: all of the row.
        """
        return int.from_bytes(_digest(row, columns or sorted(row))) % self.count == self.index


def _digest(row: Row, columns: Sequence[str]) -> bytes:
    """What rows that ask the same have in common; others may have it in common too."""
    digest = blake2b(digest_size=8)
    for column in columns:
        for word in _words(row.get(column)):
            digest.update(word.encode("utf-8", "surrogatepass") + b"\0")
        digest.update(b"\1")
    return digest.digest()


def _words(value: object) -> Iterator[str]:
    """The texts and paths of a field, whichever form the guide lets them have; nothing of an empty one."""
    if isinstance(value, str):
        if word := value.strip().removeprefix("./"):
            yield word
    elif isinstance(value, dict):
        if not is_said_by_user(value):
            return
        said = value.get("content", value.get("value"))
        for part in (said,) if said is not None else (each for pair in sorted(value.items()) for each in pair):
            yield from _words(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _words(part)
    elif value is not None and value == value:  # not pandas' NaN, which is nothing
        yield repr(value)


def shard_of_folder(name: str) -> Shard | None:
    """The shard whose folder has this name; None: it is no shard's."""
    match = _FOLDER.fullmatch(name)
    if match is None or not int(match[1]) < int(match[2]):
        return None
    shard = Shard(int(match[1]), int(match[2]))
    return shard if shard.folder == name else None


def read_shard(text: str, environment: Mapping[str, str]) -> Shard:
    """What `--shard` and `DF_SHARD` say.

    Args:
        text: "3/16"; "slurm" or "slurm/16" in a job array; "k8s" or "k8s/16" in an indexed job.
        environment: of the process.

    Raises:
        ConfigError: it says nothing of the kind, or the environment does not say which.
    """
    said, _, count = text.strip().partition("/")
    if match := _NUMBERS.fullmatch(text.strip()):
        return Shard(int(match[1]), int(match[2]))
    if said in (_SLURM, _KUBERNETES) and (not count or count.strip().isdecimal()):
        of_count = int(count) if count else None
        return _of_slurm(environment, of_count) if said == _SLURM else _of_kubernetes(environment, of_count)
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
    """The task of a job array; where the count is given, its number is the shard's, whichever others the array has."""
    number = _number(environment, "SLURM_ARRAY_TASK_ID")
    if count is not None:
        return Shard(number, count)
    count = _number(environment, "SLURM_ARRAY_TASK_COUNT")
    first = _number(environment, "SLURM_ARRAY_TASK_MIN", "0")
    step = _number(environment, "SLURM_ARRAY_TASK_STEP", "1") or 1
    last = _number(environment, "SLURM_ARRAY_TASK_MAX", str(first + step * (count - 1)))
    index, rest = divmod(number - first, step)
    if rest or not 0 <= index < count or (last - first) // step != count - 1:
        raise ConfigError(
            f"the job array has {count} tasks from {first} to {last}, with gaps, and the shards of one run are all of"
            f" one count. To run some of 16 shards again, name the count: {VARIABLE}=slurm/16 with --array={number}"
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

"""The interface by which one kind of checkpoint is found, downloaded and checked."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Protocol


class Layout(Protocol):
    """The files of one kind of checkpoint.

    Attributes:
        entry: the name of the file that every checkpoint of this kind has.
        hint: what a user should give as a model, for an error's words.
    """

    @property
    def entry(self) -> str: ...  # noqa: D102 - as above

    @property
    def hint(self) -> str: ...  # noqa: D102

    def check(self, folder: Path) -> None:
        """Check that a folder has all files of a checkpoint, without loading weights.

        Raises:
            ConfigError: a file is missing or damaged; the error names the file and the fix.
        """

    def files(self, folder: Path) -> Iterable[Path]:
        """Every file of a folder that loading may read, in a fixed order, as a digest needs it."""

    def wants(self, name: str, names: Collection[str]) -> bool:
        """Whether a download needs the file `name` of a repository.

        Args:
            name: the file's path in the repository.
            names: the paths of all files of the repository.
        """

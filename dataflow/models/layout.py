"""What a kind of checkpoint looks like on disk and on the hub, as far as finding, fetching and checking it goes."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Protocol


class Layout(Protocol):
    """How the files of one kind of checkpoint lie.

    Attributes:
        entry: the file that every checkpoint of this kind has.
        hint: what to give as a model, for the words of an error.
    """

    @property
    def entry(self) -> str: ...  # noqa: D102 - as above

    @property
    def hint(self) -> str: ...  # noqa: D102

    def check(self, folder: Path) -> None:
        """Check that the checkpoint in a folder is whole, without reading weights.

        Raises:
            ConfigError: names the file and the fix.
        """

    def files(self, folder: Path) -> Iterable[Path]:
        """Every file that loading may read, in a fixed order."""

    def wants(self, name: str, names: Collection[str]) -> bool:
        """Whether loading may read this file of a repository that has these `names`."""

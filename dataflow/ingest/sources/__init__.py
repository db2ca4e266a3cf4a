"""The contract of a source, and the table of kinds. The author of a new kind needs to read this docstring alone.

A kind of source is an opener at the end of a file of its own, in this folder or in a package of yours:

    @dataclass(frozen=True, slots=True)
    class Catalogue(Source):
        path: Path

        def shape(self) -> Shape:
            return {"picture": "picture", "words": "text"}

        def records(self, names: Collection[str]) -> Records:
            for number, entry in enumerate(read(self.path), 1):
                place = f"entry {number} of {self.path.name}"
                if entry.is_torn:
                    yield Broken(place, "it ends in the middle")
                else:
                    yield Record(place, {"picture": Bytes(entry.data), "words": entry.words})

    def open_catalogue(given: Given) -> Source:
        return Catalogue(given.one_file())

`dataflowmm import x.cat --kind my_package.catalogue:open_catalogue` uses the opener. To ship the kind, add its line to
`KINDS`.

What a source must do, and what it must leave to the import:

- **Order**: the same source yields the same records in the same order. After a kill the next import reads the source
  from the start, and finds the pictures in the store. So keep no state, and use no clock and no random numbers.
- **Broken records are values**: yield `Broken`, and go on. Raise only if nothing more can be read: an `InputError` for
  a wrong file, a `ConfigError` for a wrong flag. The opener and `shape` run before anything is written.
- **Little memory**: the import takes one record after another and stores its pictures at once, so hold a few records at
  most. Check a declared size before you read: a picture of more than `MAX_BYTES` makes the record a `Broken`.
- **Pictures** are neither checked nor decoded by a source: the import checks, names and stores them, or fails the row.
- **Wanted fields alone**: `names` has the top-level fields that the columns need; other fields need not be read.
- **Network**: yield `Remote(url)`, and the import fetches many at once; `fetchers` has fetchers for your own schemes.
"""

import glob
import importlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from dataflow.core.records import JSON
from dataflow.errors import ConfigError, InputError
from dataflow.ingest.fetchers import Fetcher
from dataflow.ingest.patterns import expanded
from dataflow.ingest.records import Records, Shape
from dataflow.io.decode import EXTENSIONS


@dataclass(frozen=True, slots=True)
class Given:
    """The source that the user names, with the flags for it.

    Args:
        text: SOURCE as on the command line.
        files: absolute paths of the files or the folder that SOURCE names, sorted; empty: SOURCE is no path.
        root: folder in which relative paths of pictures begin; None: the folder of the file that names them.
        revision: of a hub's data set; "": the newest.
        scratch: folder for temporary files; None: the system's.
    """

    text: str
    files: tuple[Path, ...] = ()
    root: Path | None = None
    revision: str = ""
    scratch: Path | None = None

    def one_file(self) -> Path:
        """The only file.

        Raises:
            ConfigError: SOURCE names several files, or none.
        """
        if len(self.files) != 1:
            raise ConfigError(f"{self.text}: {len(self.files)} files, and this kind of source is one: name one of them")
        return self.files[0]


class Source(ABC):
    """Yields records in an order that never changes; the import closes the source at its end.

    Attributes:
        home: folder in which relative paths of pictures begin; None: the source has no paths.
        base: address at which relative paths of pictures begin; "": the source lies at no address.
        columns: default of `--columns`; "": the user must give `--columns`.
        fetchers: scheme → fetcher of the source's own, which is preferred to that of `dataflow.ingest.fetchers`.
    """

    home: Path | None = None
    base: str = ""
    columns: str = ""
    fetchers: Mapping[str, Fetcher] = MappingProxyType({})

    @abstractmethod
    def shape(self) -> Shape:
        """The form of the records; a source without a schema looks at its first records.

        Raises:
            ConfigError: the source cannot be read.
        """

    @abstractmethod
    def records(self, names: Collection[str]) -> Records:
        """All records, from the first.

        Args:
            names: the top-level fields that are needed; empty: all.

        Raises:
            ConfigError, NotStored: nothing more can be read.
        """

    def count(self) -> int | None:
        """The number of records; None: it is not known, or costs much to know."""
        return None

    def facts(self) -> Mapping[str, JSON]:
        """Facts on the source for the meta file of the rows, such as the `revision` of a hub's data set."""
        return {}

    def close(self) -> None:
        """Close files and connections."""


Opener = Callable[[Given], Source]

KINDS: Mapping[str, tuple[str, str, str]] = {
    "hf": (r"hf:.+", "hf", "open_hf"),
    "bucket": (r"(s3|gs|az)://.+", "bucket", "open_bucket"),
    "tar": (r".+\.(tar|tar\.gz|tgz)", "tar", "open_tar"),
    "folder": (r".+/", "folder", "open_folder"),
    "parquet": (r".+\.parquet", "parquet", "open_parquet"),
    "csv": (r".+\.(csv|tsv)", "rows", "open_rows"),
    "json": (r".+\.json", "rows", "open_rows"),
    "jsonl": (r".+\.(jsonl|ndjson)", "rows", "open_rows"),
}
"""Kind → pattern of its SOURCE (a folder ends in `/`), module in this folder, and opener in it; loaded when needed."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)


def kind_of(text: str) -> str:
    """The kind of a SOURCE by its name, without opening it; "": no kind has such names."""
    is_folder = not _ADDRESS.match(text) and Path(text).expanduser().is_dir()
    name = f"{text.rstrip('/')}/" if is_folder else expanded(text)[0]
    return next((kind for kind, (looks, _, _) in KINDS.items() if re.fullmatch(looks, name, re.IGNORECASE)), "")


def source_of(
    text: str, kind: str = "", *, root: Path | None = None, revision: str = "", scratch: Path | None = None
) -> Source:
    """Open a SOURCE.

    Args:
        text: a folder, a file, files by a pattern (`*`, `{000..012}`), or an address.
        kind: a name of `KINDS`, or an opener of yours as `package.module:VALUE`; "": by the looks of `text`.
        root: folder in which relative paths of pictures begin; None: beside the file that names them.
        revision: of a hub's data set; "": the newest.
        scratch: folder for temporary files; None: the system's.

    Raises:
        ConfigError: there is no such file or kind, or the opener refuses the source.
    """
    files = _files(text)
    found = _opener(text, kind)(Given(text, files, root, revision, scratch))
    if not isinstance(found, Source):
        raise ConfigError(f"--kind {kind}: it gave {found!r:.80}, which is no dataflow.ingest.sources.Source")
    return found


def reads(text: str, path: Path) -> bool:
    """Whether a SOURCE names a file, or would if the file existed.

    Args:
        text: SOURCE: a file, or files by a pattern.
        path: absolute path of the file.
    """
    files = [] if _ADDRESS.match(text) else map(_absolute, expanded(str(Path(text).expanduser())))
    patterns = [each for each in files if fnmatchcase(path.name, each.name)]
    return any(path.parent in (each.parent, *map(Path, glob.glob(str(each.parent)))) for each in patterns)  # noqa: PTH207 - a pattern may be absolute


def _opener(text: str, kind: str) -> Opener:
    module, _, value = kind.partition(":")
    if value:
        try:
            found: Opener = getattr(importlib.import_module(module), value)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"--kind {kind}: {error}; say package.module:VALUE of a module that imports") from None
        return found
    name = kind or kind_of(text)
    if name not in KINDS:
        if not kind and text.lower().endswith(EXTENSIONS):
            raise ConfigError(f"{text}: of pictures name the folder in which they lie")
        asked = f"no kind {kind!r}" if kind else f"{text}: it is not clear what this is"
        raise ConfigError(f"{asked}: choose --kind of {', '.join(KINDS)}, or say package.module:VALUE")
    _, module, value = KINDS[name]
    opener: Opener = getattr(importlib.import_module(f"{__name__}.{module}"), value)
    return opener


def _files(text: str) -> tuple[Path, ...]:
    """The files that a SOURCE names; empty: it is an address.

    Raises:
        InputError: no such file exists.
    """
    if _ADDRESS.match(text) and not Path(text).exists():
        return ()
    if (path := Path(text).expanduser()).exists():
        return (_absolute(path),)
    found: list[Path] = []
    for each in expanded(str(path)):
        names = [each] if os.path.lexists(each) else sorted(glob.glob(each))  # noqa: PTH207 - a pattern may be absolute
        if not names:
            raise InputError(f"{each}: there is nothing (looked from {Path.cwd()})")
        found += map(_absolute, names)
    return tuple(found)


def _absolute(path: str | Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - a link stays one

"""The contract of a source, and where each kind is found. Whoever writes one needs to read nothing but this.

A kind of source is one opener at the end of a file of its own, here or in a package of yours:

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

`dataflowmm import x.cat --kind my_package.catalogue:open_catalogue` reads it. To ship it, add its line to `KINDS`.

What a source does, and what it is not asked to do:

- **Order**: the same source gives the same records in the same order. A killed import reads it again from the start and
  finds its pictures in the store, so keep no state, and read no clock and no chance.
- **Broken records are values**: yield `Broken`, and go on. Raise only where nothing more can be read at all: an
  `InputError` where the file is wrong, a `ConfigError` where a flag is. What `source_of` and `shape` raise, they raise
  before anything is written.
- **Little memory**: records are taken one after another, and pictures in hand are stored at once; hold no more of them
  than a few. Look at a declared size before you read it: more than `MAX_BYTES` is a `Broken`.
- **Pictures** are not looked at, decoded or stored here: the run checks, names and stores them, and fails their row.
- **Only what is wanted**: `names` are the fields that the columns begin with; others need not be read.
- **Network**: give `Remote(url)` and let the run fetch many at a time; `fetchers` are those of schemes of your own.
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
    """What the user gave.

    Args:
        text: SOURCE as it stands on the command line.
        files: absolute paths of a SOURCE that names files or a folder, sorted; empty: it is no path.
        root: where relative picture paths begin; None: beside the file that names them.
        revision: of a hub's data set; "": the newest.
        scratch: a folder for files that go when they are closed; None: the system's.
    """

    text: str
    files: tuple[Path, ...] = ()
    root: Path | None = None
    revision: str = ""
    scratch: Path | None = None

    def one_file(self) -> Path:
        """The file.

        Raises:
            ConfigError: there are several.
        """
        if len(self.files) != 1:
            raise ConfigError(f"{self.text}: {len(self.files)} files, and this kind of source is one: name one of them")
        return self.files[0]


class Source(ABC):
    """Records in an order that does not change; closed when the import ends.

    Attributes:
        home: the folder in which relative picture paths begin; None: such a source has no paths.
        base: the address where they begin, of a source that lies at one; "": at none.
        columns: what `--columns` is where the user says nothing; "": the user must.
        fetchers: scheme → what fetches `Remote` pictures of it, before those of `dataflow.ingest.fetchers`.
    """

    home: Path | None = None
    base: str = ""
    columns: str = ""
    fetchers: Mapping[str, Fetcher] = MappingProxyType({})

    @abstractmethod
    def shape(self) -> Shape:
        """The fields of the records, by name; of a source without a schema, those of the first some.

        Raises:
            ConfigError: it cannot be read.
        """

    @abstractmethod
    def records(self, names: Collection[str]) -> Records:
        """All records, from the first.

        Args:
            names: the fields of the top that are wanted.

        Raises:
            ConfigError, NotStored: nothing more can be read.
        """

    def count(self) -> int | None:
        """How many records there are, where that is cheap to know."""
        return None

    def facts(self) -> Mapping[str, JSON]:
        """What the rows come from, for the meta file: the `revision` of a hub's data set, say."""
        return {}

    def close(self) -> None:
        """Let go of files and connections."""


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
"""Kind → what a SOURCE of it looks like (a folder ends in `/`), module and opener here; loaded when it is asked for."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)


def kind_of(text: str) -> str:
    """The kind of a SOURCE by its looks, without opening it; "" where none looks like this."""
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
        root: where relative picture paths begin.
        revision: of a hub's data set.
        scratch: a folder for files that go when they are closed.

    Raises:
        ConfigError: there is no such file or kind; as the opener.
    """
    files = _files(text)
    found = _opener(text, kind)(Given(text, files, root, revision, scratch))
    if not isinstance(found, Source):
        raise ConfigError(f"--kind {kind}: it gave {found!r:.80}, which is no dataflow.ingest.sources.Source")
    return found


def reads(text: str, path: Path) -> bool:
    """Whether a SOURCE names a file, or would if it were there.

    Args:
        text: a file, or files by a pattern.
        path: absolute.
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
    """The files that a SOURCE names.

    Raises:
        InputError: it names none.
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

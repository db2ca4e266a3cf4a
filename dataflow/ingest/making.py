"""One record as one row: its fields found, its pictures looked at and stored. Several threads do this at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from dataflow.core.records import Row
from dataflow.errors import RowError
from dataflow.ingest.columns import EDITED, IMAGES, MASK, PICTURES, Columns
from dataflow.ingest.fetched import Fetched
from dataflow.ingest.fetchers import Fetcher, NotTried, fetcher_of, scheme_of
from dataflow.ingest.pictures import ADDRESS, pictures_of
from dataflow.ingest.records import Bytes, Local, Picture, Record, Remote
from dataflow.ingest.store import Kept, Store
from dataflow.io.decode import BadPicture
from dataflow.io.header import check_header
from dataflow.io.image import MAX_INPUT_BYTES
from dataflow.utils.files import PathRules


@dataclass(frozen=True, slots=True)
class Made:
    """A row, and what became of its pictures.

    Args:
        row: with their paths.
        pictures: those in the store; files that stay where they are have no part in it.
        files: how many pictures stay where they are.
        addresses: how many pictures a dry run has not fetched.
    """

    row: Row
    pictures: tuple[Kept, ...] = ()
    files: int = 0
    addresses: int = 0


class Maker:
    """Makes rows of records; a context manager.

    Args:
        columns: of the rows.
        store: of the pictures.
        rules: where relative paths begin, here or at an address; None: the source has none.
        fetchers: scheme → the source's own.
        hosts: of one's own network, from which may be fetched.
        skip_dead: ask no address again that gave nothing.
        copy: store files of this machine too.
        dry: fetch nothing.
    """

    def __init__(
        self,
        columns: Columns,
        store: Store,
        rules: PathRules | str | None,
        fetchers: Mapping[str, Fetcher],
        *,
        hosts: Sequence[str] = (),
        skip_dead: bool = False,
        copy: bool,
        dry: bool,
    ) -> None:
        self._columns, self._store, self._rules = columns, store, rules
        self._copy, self._dry, self._skip_dead = copy, dry, skip_dead
        self._fetched = Fetched(store.folder)
        self._fetchers, self._hosts = dict(fetchers), hosts
        self._opening = Lock()

    def __enter__(self) -> "Maker":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self._fetched.close()

    def stop(self) -> None:
        """End what is being fetched."""
        for fetcher in self._fetchers.values():
            fetcher.close()

    def make(self, record: Record) -> Made:
        """The row of a record.

        Raises:
            RowError: a field or a picture is missing, or is none.
            ConfigError, NotStored: nothing more can be fetched, or stored.
        """
        values, others = self._columns.values(record.fields)
        paths: dict[str, list[str]] = {}
        kept: list[Kept] = []
        for column, fields in values.items():
            names = paths.setdefault(column, [])
            for picture in (each for field in fields for each in self._pictures(field, column)):
                found = self._path(picture, column)
                if isinstance(found, Kept):
                    kept.append(found)
                names.append(found.path if isinstance(found, Kept) else found)
        row = {name: _named(name, paths[name]) for name in PICTURES if name in paths} | others
        addresses = sum(ADDRESS.match(path) is not None for names in paths.values() for path in names)
        return Made(row, tuple(kept), sum(map(len, paths.values())) - len(kept) - addresses, addresses)

    def _pictures(self, field: object, column: str) -> list[Picture]:
        try:
            return pictures_of(field, self._rules)
        except RowError as error:
            raise RowError(f"`{column}`: {error}") from None

    def _path(self, picture: Picture, column: str) -> Kept | str:
        """Where a picture lies; of a file that stays where it is its own path."""
        try:
            if isinstance(picture, Bytes):
                return self._store.keep(picture.data)
            if isinstance(picture, Local):
                return self._local(picture.path)
            if known := self._known(picture.url, picture.tag):
                return Kept(known, is_new=False)
            if self._dry:
                return picture.url
            return self._remote(picture)
        except RowError as error:
            name = picture.name if isinstance(picture, Bytes) else getattr(picture, "url", "")
            raise RowError(f"`{column}`{f' {name:.200}' if name else ''}: {error}") from None

    def _remote(self, picture: Remote) -> Kept:
        url = picture.url
        if self._skip_dead and (reason := self._fetched.dead(url)):
            raise RowError(f"{reason}, when it was last asked")
        try:
            kept = self._store.keep(self._fetcher(scheme_of(url)).fetch(url))
        except NotTried:
            raise
        except RowError as error:
            self._fetched.add_dead(url, str(error))
            raise
        self._fetched.add(url, picture.tag, kept.path)
        return kept

    def _known(self, url: str, tag: str) -> str:
        """What was fetched before; a dry run that finds no store makes none."""
        return self._fetched.path(url, tag) if not self._dry or self._store.folder.is_dir() else ""

    def _local(self, path: Path) -> Kept | str:
        try:
            check_header(str(path), MAX_INPUT_BYTES)
            data = path.read_bytes() if self._copy else b""
        except BadPicture as error:
            raise RowError(f"picture {path} {error}") from None
        except OSError as error:
            raise RowError(f"picture {path} cannot be read: {error.strerror}") from None
        return self._store.keep(data) if self._copy else str(path)

    def _fetcher(self, scheme: str) -> Fetcher:
        with self._opening:
            if scheme not in self._fetchers:
                self._fetchers[scheme] = fetcher_of(scheme, self._hosts)
            return self._fetchers[scheme]


def _named(column: str, paths: list[str]) -> list[str] | str | None:
    """What a column of pictures holds: a list, but for the mask, which a row may lack.

    Raises:
        RowError: there is none, or more than one mask.
    """
    if column == MASK:
        if len(paths) > 1:
            raise RowError(f"`{MASK}` has {len(paths)} pictures: give one, of the first picture")
        return paths[0] if paths else None
    if not paths:
        raise RowError(f"`{'edited' if column == EDITED else IMAGES}` has no picture: its fields are empty")
    return paths

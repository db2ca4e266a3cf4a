"""Makes a row of a record: picks the fields, and checks and stores the pictures. Several threads do this at once."""

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
        row: with the paths of the pictures.
        pictures: the pictures that lie in the store.
        files: number of pictures that stay where they are, outside the store.
        addresses: number of pictures that a dry run has not fetched.
    """

    row: Row
    pictures: tuple[Kept, ...] = ()
    files: int = 0
    addresses: int = 0


class Maker:
    """Makes rows of records; a context manager.

    Args:
        columns: the field of each column.
        store: takes the pictures.
        rules: where relative paths begin, on this machine or at an address; None: the source has no paths.
        fetchers: scheme → the source's own fetcher.
        hosts: hosts of the user's own network from which pictures may be fetched.
        skip_dead: do not ask addresses again that gave no picture before.
        copy: store pictures that are files of this machine, too.
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
        """End the fetches that run, and close the fetchers."""
        for fetcher in self._fetchers.values():
            fetcher.close()

    def make(self, record: Record) -> Made:
        """Make the row of a record.

        Raises:
            RowError: a field is missing or wrong, or a picture is missing or no picture.
            ConfigError, NotStored: no picture can be fetched any more, or stored.
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
        row = {name: _column_value(name, paths[name]) for name in PICTURES if name in paths} | others
        addresses = sum(ADDRESS.match(path) is not None for names in paths.values() for path in names)
        return Made(row, tuple(kept), sum(map(len, paths.values())) - len(kept) - addresses, addresses)

    def _pictures(self, field: object, column: str) -> list[Picture]:
        try:
            return pictures_of(field, self._rules)
        except RowError as error:
            raise RowError(f"`{column}`: {error}") from None

    def _path(self, picture: Picture, column: str) -> Kept | str:
        """Store a picture, or find where it lies.

        Returns:
            The picture in the store; or a path, of a file that stays where it is; or an address, in a dry run.
        """
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
        """Fetch a picture and store it; a failure is remembered with the address."""
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
        """The path of a picture that was fetched before; "" without one. A dry run creates no store to look."""
        return self._fetched.path(url, tag) if not self._dry or self._store.folder.is_dir() else ""

    def _local(self, path: Path) -> Kept | str:
        """Check a picture file of this machine by its header, and store it where `copy` asks for it."""
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


def _column_value(column: str, paths: list[str]) -> list[str] | str | None:
    """The value of a column of pictures: a list of paths; or for a mask one path, or None.

    Raises:
        RowError: a column but the mask has no picture, or there are several masks.
    """
    if column == MASK:
        if len(paths) > 1:
            raise RowError(f"`{MASK}` has {len(paths)} pictures: give one, of the first picture")
        return paths[0] if paths else None
    if not paths:
        raise RowError(f"`{'edited' if column == EDITED else IMAGES}` has no picture: its fields are empty")
    return paths

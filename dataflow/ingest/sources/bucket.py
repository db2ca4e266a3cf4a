"""Reads sources in buckets: a prefix like a folder of pictures, and tables and tars like those of this machine.

The import fetches pictures, many at once. A tar is read once from front to back; of parquet only the needed columns are
read; both in parts of 8 MiB. Rows of text are first downloaded into the folder of the rows.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from dataflow.errors import ConfigError, InputError, RowError
from dataflow.ingest.buckets import CHUNK, Forward, Object, ahead, fetched, found, listed, split
from dataflow.ingest.patterns import expanded
from dataflow.ingest.records import Broken, Record, Records, Remote, Shape
from dataflow.ingest.sources import Given, Source, kind_of
from dataflow.ingest.sources.folder import CAPTIONS, MOST_BYTES, TABLES, UNREAD, check_is_read
from dataflow.ingest.sources.parquet import Parquet
from dataflow.ingest.sources.rows import Rows
from dataflow.ingest.sources.tar import Tar, Tars
from dataflow.io.decode import EXTENSIONS
from dataflow.utils.row_json import parse

_LOOKED_AT = 1000  # objects whose endings show what lies beside pictures: one listing has as many
_AHEAD = 32  # records whose texts are fetched at once
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class BucketFolder(Source):
    """The pictures below a prefix, in the order of their keys.

    Args:
        url: address of the prefix.
        has: endings of the objects below the prefix.
    """

    url: str
    has: frozenset[str]

    @property
    def columns(self) -> str:  # type: ignore[override]  # a value, as the contract has it
        """The picture, and its caption if any object is one."""
        return "images=image,caption=caption" if self.has.intersection(CAPTIONS) else "images=image"

    def shape(self) -> Shape:
        """The picture, its key without the ending, and the caption and JSON beside it."""
        beside: dict[str, Shape] = {"caption": "text"} if self.has.intersection(CAPTIONS) else {}
        if ".json" in self.has:
            first = islice(self.records(("json",)), _LOOKED_AT)
            read = (each.fields["json"] for each in first if isinstance(each, Record))
            described = next((each for each in read if isinstance(each, dict)), {})
            beside["json"] = dict.fromkeys(map(str, described), "value")
        return {"image": "picture", "name": "text", **beside}

    def records(self, names: Collection[str]) -> Records:
        """A record for each picture."""
        if not self.has.intersection((*CAPTIONS, ".json")):
            yield from (self._record(picture, {}, names) for picture, _ in self._pictures())
            return
        yield from ahead(lambda each: self._record(*each, names), self._pictures(), _AHEAD)

    def _pictures(self) -> Iterator[tuple[Object, dict[str, Object]]]:
        """Each picture, with the objects of the same stem by their endings, which stand together in a listing."""
        for _, group in groupby(listed(self.url), key=lambda each: each.folder + each.name.partition(".")[0]):
            objects = [each for each in group if not each.name.startswith(".")]
            for picture in objects:
                stem, ending = _parts(picture)
                beside = {_parts(each)[1]: each for each in objects if _parts(each)[0] == stem}
                if ending in EXTENSIONS or (ending in UNREAD and beside.keys().isdisjoint(EXTENSIONS)):
                    yield picture, beside

    def _record(self, picture: Object, beside: dict[str, Object], names: Collection[str]) -> Record | Broken:
        prefix = f"{split(self.url)[1].rstrip('/')}/".lstrip("/")
        stem = _parts(picture)[0].removeprefix(prefix)
        fields: dict[str, object] = {"image": Remote(picture.url, picture.tag), "name": stem}
        try:
            check_is_read(picture.name)
        except ValueError as error:
            return Broken(picture.url, str(error))
        try:
            if "caption" in names or not names:
                text = next((beside[ending] for ending in CAPTIONS if ending in beside), None)
                fields["caption"] = None if text is None else _text(text).decode("utf-8-sig").strip()
            if "json" in names or not names:
                fields["json"] = parse(_text(beside[".json"])) if ".json" in beside else None
        except (RowError, ValueError) as error:
            return Broken(picture.url, f"what lies beside it cannot be read: {error}")
        return Record(picture.url, fields)


@dataclass(frozen=True, slots=True)
class Downloaded(Source):
    """Rows of text in downloaded files, which are removed at the end.

    Args:
        rows: the rows of the files.
        folder: the temporary folder of the files.
        base: address at which relative paths of pictures begin; "": they begin at `rows.home`.
    """

    rows: Rows
    folder: "TemporaryDirectory[str]"
    base: str

    @property
    def home(self) -> Path | None:  # type: ignore[override]
        """The root that the user gave; None: there is none."""
        return self.rows.home

    def shape(self) -> Shape:
        """The shape of the rows."""
        return self.rows.shape()

    def records(self, names: Collection[str]) -> Records:
        """The records of the rows."""
        return self.rows.records(names)

    def close(self) -> None:
        """Remove the files."""
        self.folder.cleanup()


def open_bucket(given: Given) -> Source:
    """Open a prefix of pictures, or objects by key, by `*` or by `{000..012}`.

    Raises:
        ConfigError: the bucket cannot be reached, or there is no such object.
    """
    kind = kind_of(re.sub(r"^\w+://", "", given.text))
    if kind in ("", "folder"):
        return _folder(given.text)
    objects = tuple(each for url in expanded(given.text) for each in _objects(url))
    if kind == "tar":
        return Tars(tuple(Tar(each.name, partial(Forward, each)) for each in objects))
    if kind == "parquet":
        return Parquet(objects, given.root, given.scratch, "" if given.root else objects[0].folder)
    folder = TemporaryDirectory(prefix=".import-", dir=given.scratch)
    files = tuple(_download(each, Path(folder.name) / str(number)) for number, each in enumerate(objects))
    return Downloaded(Rows(files, given.root), folder, "" if given.root else objects[0].folder)


def _folder(url: str) -> BucketFolder:
    """Open a prefix of pictures.

    Raises:
        InputError: no picture lies below it.
    """
    has = {_parts(each)[1] for each in islice(listed(url), _LOOKED_AT) if not each.name.startswith(".")}
    if not has.intersection(EXTENSIONS):
        table = next((each for each in TABLES if each in has), "")
        mend = f"; of its {table} objects say '{url.rstrip('/')}/*{table}'" if table else ""
        raise InputError(f"{url}: no picture below it ({', '.join(EXTENSIONS)}){mend}")
    return BucketFolder(url, frozenset(has))


def _objects(url: str) -> list[Object]:
    """The objects that an address names, in the order of their keys.

    Raises:
        ConfigError: there is no such object.
    """
    if not _WILD.search(url):
        return [found(url)]
    bucket, pattern = split(url)
    parts = pattern.split("/")
    fixed = next(number for number, part in enumerate(parts) if _WILD.search(part))
    named = [each for each in listed("/".join([bucket, *parts[:fixed]])) if _matches(each.key.split("/"), parts)]
    if not named:
        raise ConfigError(f"{url}: there is no such object")
    return named


def _matches(names: list[str], patterns: list[str]) -> bool:
    return len(names) == len(patterns) and all(map(fnmatchcase, names, patterns))


def _parts(source: Object) -> tuple[str, str]:
    """The key of an object without the ending, and the ending in small letters; "": there is no ending."""
    stem, dot, ending = source.key.rpartition(".")
    return (stem, f".{ending.lower()}") if dot and "/" not in ending else (source.key, "")


def _text(source: Object) -> bytes:
    return fetched(source.url, MOST_BYTES)


def _download(source: Object, folder: Path) -> Path:
    folder.mkdir()
    path = folder / source.name
    with Forward(source) as data, path.open("wb") as file:
        while chunk := data.read(CHUNK):
            file.write(chunk)
    return path

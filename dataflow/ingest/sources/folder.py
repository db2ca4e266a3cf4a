"""Reads a folder of pictures, with texts beside them: `a.jpg`, with `a.txt` or `a.caption`, and `a.json`.

If the columns name sub-folders, files of the same name in them are one record: `before/x/a.jpg`, `after/x/a.png`,
`after/x/a.txt`. A picture that one of the sub-folders lacks makes a failed row, since trainers drop such a picture
silently.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import combinations, islice
from pathlib import Path

from dataflow.errors import ConfigError, InputError
from dataflow.ingest.records import Broken, Local, Record, Records, Shape
from dataflow.ingest.sources import Given, Source
from dataflow.ingest.store import is_store
from dataflow.io.decode import EXTENSIONS
from dataflow.utils.row_json import parse

CAPTIONS = (".txt", ".caption")
MOST_BYTES = 1 << 20  # of a caption or a JSON beside a picture
TABLES = (".parquet", ".tar", ".jsonl", ".json", ".csv")
UNREAD = (".heic", ".heif", ".hif", ".jxl", ".psd", ".svg", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf")
"""Endings of pictures that this package does not decode; phones and cameras write many of them."""
_COMPARED = 10_000  # names of each sub-folder that are compared with those of others
_MOST_TWINS = 16  # sub-folders that are compared: pairs lie in a few, and classes of pictures in thousands
_KINDS = {"image": EXTENSIONS, "caption": CAPTIONS, "json": (".json",)}
_SHAPES: Mapping[str, Shape] = {"image": "picture", "caption": "text", "json": None}


@dataclass(frozen=True, slots=True)
class Folder(Source):
    """The pictures below a folder: those in a folder by name, then those in its folders; hidden files are left out.

    Args:
        folder: absolute path.
        beside: "caption" and "json", where such files lie beside pictures.
        fields: name of a field of pairs → its sub-folder, and "image", "caption" or "json".
        twins: two sub-folders whose pictures have the same names; empty: there are none.
    """

    folder: Path
    beside: frozenset[str] = frozenset()
    fields: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    twins: tuple[str, ...] = ()

    @property
    def home(self) -> Path:  # type: ignore[override]  # a value, as the contract has it
        """The folder itself."""
        return self.folder

    @property
    def columns(self) -> str:  # type: ignore[override]
        """The picture, and its caption if there are captions.

        Raises:
            ConfigError: the pictures look like pairs, and only the user knows which are the sources.
        """
        if self.twins:
            raise ConfigError(
                f"{self.folder}: {' and '.join(f'{name}/' for name in self.twins)} hold pictures of the same names: "
                "say --columns=images=SOURCES,edited=RESULTS with the names of both folders for a row of each two, or "
                "--columns=images=image for a row of each picture"
            )
        return "images=image,caption=caption" if "caption" in self.beside else "images=image"

    def shape(self) -> Shape:
        """The picture, its path without the ending, the caption and JSON beside it, and the fields of pairs."""
        beside: dict[str, Shape] = {"caption": "text"} if "caption" in self.beside else {}
        for record in self.records(("json",)) if "json" in self.beside else ():
            if isinstance(record, Record) and isinstance(found := record.fields.get("json"), dict):
                beside["json"] = dict.fromkeys(map(str, found), "value")
                break
        pairs = {name: _SHAPES[kind] for name, (_, kind) in self.fields.items()}
        return {**pairs, "image": "picture", "name": "text", **beside}

    def records(self, names: Collection[str]) -> Records:
        """A record for each picture; or, where `names` has sub-folders, for each name of a file in them.

        Raises:
            ConfigError: `names` has both fields of pairs and fields of single pictures.
            InputError: a sub-folder cannot be read.
        """
        own = {"image", "name", *self.beside}
        if any(name in self.fields for name in names if name not in own):
            yield from self._pairs([name for name in names if name != "name"])
            return
        for path in _pictures(self.folder):
            if isinstance(path, str):
                yield Broken(path, "the folder cannot be read")
                continue
            place = path.relative_to(self.folder.parent).as_posix()
            try:
                yield Record(place, self._fields(path, names))
            except (OSError, ValueError) as error:
                yield Broken(place, str(error))

    def _fields(self, path: Path, names: Collection[str]) -> dict[str, object]:
        name = path.relative_to(self.folder).with_suffix("").as_posix()
        fields: dict[str, object] = {"image": _picture(path), "name": name}
        for each in self.beside.intersection(names):
            there = (path.with_suffix(ending) for ending in _KINDS[each])
            fields[each] = _read(next((text for text in there if text.is_file()), None))
        return fields

    def _pairs(self, names: Sequence[str]) -> Records:
        if single := next((name for name in names if name not in self.fields), None):
            pair = next(name for name in names if name in self.fields)
            raise ConfigError(
                f"--columns: `{pair}` is of pairs, and `{single}` of single pictures: name one kind alone"
            )
        files = {name: _by_stem(self.folder / folder, kind) for name in names for folder, kind in [self.fields[name]]}
        for stem in sorted(set().union(*files.values())):
            place = f"{self.folder.name}/{stem}"
            try:
                partners = {name: self._partner(name, stem, files[name].get(stem, ())) for name in names}
            except (OSError, ValueError) as error:
                yield Broken(place, str(error))
            else:
                yield Record(place, {**partners, "name": stem})

    def _partner(self, name: str, stem: str, paths: Sequence[Path]) -> object:
        """The value of a field of pairs.

        Args:
            name: of the field.
            stem: path below the sub-folder, without the ending.
            paths: files of this stem in the sub-folder.

        Raises:
            ValueError: there is no picture, or there are several.
        """
        folder, kind = self.fields[name]
        if kind != "image":
            return _read(min(paths, key=lambda path: _KINDS[kind].index(path.suffix.lower()), default=None))
        if not paths:
            raise ValueError(f"no picture {stem!r} in {folder}/")
        if len(paths) > 1:
            raise ValueError(f"several pictures in {folder}/: {', '.join(repr(path.name) for path in paths)}: keep one")
        return _picture(paths[0])

    def count(self) -> int | None:
        """The number of pictures; None: they look like pairs."""
        return None if self.twins else sum(not isinstance(path, str) for path in _pictures(self.folder))


def _picture(path: Path) -> Local:
    """The picture in a file.

    Raises:
        ValueError: this package does not decode pictures of this kind.
    """
    check_is_read(path.name)
    return Local(path)


def check_is_read(name: str) -> None:
    """Check the ending of a picture's name.

    Raises:
        ValueError: this package does not decode pictures of this kind.
    """
    if name.lower().endswith(UNREAD):
        raise ValueError(f"{name.rpartition('.')[2].upper()} is not read: save it as JPEG or PNG first")


def _read(path: Path | None) -> object:
    """Read a caption or a JSON file; None without a file.

    Raises:
        ValueError: the file is too large, not UTF-8, or no JSON.
    """
    if path is None:
        return None
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path.name} has more than {MOST_BYTES >> 20} MiB")
        text = path.read_bytes()
        return parse(text) if path.suffix.lower() == ".json" else text.decode("utf-8-sig").strip()
    except (OSError, ValueError) as error:
        raise ValueError(f"what lies beside it cannot be read: {error}") from None


def _names(folder: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[tuple[Path, list[str] | None]]:
    """Walk a folder; yields each folder below it with the names of its files, or None if it cannot be read.

    Links are followed, but not in a circle. Hidden files are left out, and so are stores of imports, which hold copies.

    Args:
        folder: where to begin.
        above: device and inode of the folders that contain it.
    """
    try:
        known = folder.stat()
        if (identity := (known.st_dev, known.st_ino)) in above or (above and is_store(folder)):
            return
        with os.scandir(folder) as found:
            there = {each.name: _is_folder(each) for each in found if not each.name.startswith(".")}
    except OSError:
        yield folder, None
        return
    yield folder, sorted(name for name, is_folder in there.items() if not is_folder)
    for name in sorted(name for name, is_folder in there.items() if is_folder):
        yield from _names(folder / name, above | {identity})


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether an entry is a folder or a link to one; a link that leads to itself is neither."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112 - `entry.is_dir` is slower for links


def _pictures(folder: Path) -> Iterator[Path | str]:
    """The pictures below a folder, in order; for a folder that cannot be read its path, as text."""
    for inner, names in _names(folder):
        if names is None:
            yield str(inner)
        else:
            yield from (inner / name for name in _wanted(names, "image"))


def _wanted(names: Sequence[str], kind: str) -> list[str]:
    """The names of files of a kind. An undecodable picture counts if no other picture has its stem."""
    found = [name for name in names if name.lower().endswith(_KINDS[kind])]
    if kind != "image" or not (others := [name for name in names if name.lower().endswith(UNREAD)]):
        return found
    read = set(map(_stem, found))
    return sorted([*found, *(name for name in others if _stem(name) not in read)])


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122 - it runs for each file, and a Path is slow


def _by_stem(folder: Path, kind: str) -> Mapping[str, Sequence[Path]]:
    """Map each path below a folder, without the ending, to its files; two Unicode forms of a letter are one.

    Raises:
        InputError: a folder cannot be read.
    """
    files: dict[str, list[Path]] = defaultdict(list)
    for inner, names in _names(folder):
        if names is None:
            raise InputError(f"{inner} cannot be read: see who may read it")
        for name in _wanted(names, kind):
            stem = (inner / _stem(name)).relative_to(folder).as_posix()
            files[unicodedata.normalize("NFC", stem)].append(inner / name)
    return files


def open_folder(given: Given) -> Source:
    """Open a folder of pictures.

    Raises:
        InputError: the folder has no pictures, or cannot be read.
    """
    folder = given.one_file()
    tables: set[str] = set()
    beside: set[str] = set()
    fields: dict[str, tuple[str, str]] = {}
    pictures: dict[str, set[str]] = defaultdict(set)
    for inner, names in _names(folder):
        top, _, below = inner.relative_to(folder).as_posix().partition("/")
        if names is None and inner == folder:
            raise InputError(f"{given.text} cannot be read: see who may read it")
        if names is None:
            fields.setdefault(top, (top, "image"))  # `_by_stem` raises once the field is used
        stems = {kind: set(map(_stem, _wanted(names or (), kind))) for kind in _KINDS}
        beside.update(kind for kind in ("caption", "json") if stems["image"] & stems[kind])
        pictures[top].update(f"{below}/{stem}" for stem in islice(sorted(stems["image"]), _COMPARED))
        if inner != folder:
            fields |= {top if kind == "image" else f"{top}.{kind}": (top, kind) for kind in _KINDS if stems[kind]}
        tables.update(ending for ending in TABLES if any(name.lower().endswith(ending) for name in names or ()))
    if not any(pictures.values()):
        table = next((each for each in TABLES if each in tables), "")
        mend = f"; of its {table} files say '{given.text.rstrip('/')}/*{table}'" if table else ""
        raise InputError(f"{given.text}: no picture in it ({', '.join(EXTENSIONS)}){mend}")
    return Folder(folder, frozenset(beside), fields, () if pictures.pop(".") else _twins(pictures))


def _twins(pictures: Mapping[str, Set[str]]) -> tuple[str, ...]:
    """Two sub-folders in which most pictures have the names of pictures in the other; empty: there are none.

    Args:
        pictures: sub-folder → paths of its pictures without the endings.
    """
    for first, second in combinations(sorted(pictures) if len(pictures) <= _MOST_TWINS else (), 2):
        if 2 * len(pictures[first] & pictures[second]) > max(len(pictures[first]), len(pictures[second])):
            return first, second
    return ()

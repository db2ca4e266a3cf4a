"""A folder of pictures, with what is written beside them: `a.jpg`, and `a.txt` or `a.caption`, and `a.json`."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from dataflow.errors import InputError
from dataflow.ingest.records import Broken, Local, Record, Records, Shape
from dataflow.ingest.sources import Given, Source
from dataflow.io.decode import EXTENSIONS
from dataflow.utils.row_json import parse

CAPTIONS = (".txt", ".caption")
MOST_BYTES = 1 << 20  # of a caption
TABLES = (".parquet", ".tar", ".jsonl", ".json", ".csv")


@dataclass(frozen=True, slots=True)
class Folder(Source):
    """The pictures below a folder, each folder's own by name and then those of its folders; hidden ones are left out.

    Args:
        folder: absolute.
        has: endings of what lies beside pictures.
    """

    folder: Path
    has: frozenset[str]

    @property
    def home(self) -> Path:  # type: ignore[override]  # a value, as the contract has it
        """The folder itself."""
        return self.folder

    @property
    def columns(self) -> str:  # type: ignore[override]
        """The picture, and its caption if there are any."""
        return "images=image,caption=caption" if self.has.intersection(CAPTIONS) else "images=image"

    def shape(self) -> Shape:
        """The picture, its path without the ending, and what lies beside it."""
        beside: dict[str, Shape] = {"caption": "text"} if self.has.intersection(CAPTIONS) else {}
        for record in self.records(()) if ".json" in self.has else ():
            if isinstance(record, Record) and isinstance(found := record.fields.get("json"), dict):
                beside["json"] = dict.fromkeys(map(str, found), "value")
                break
        return {"image": "picture", "name": "text", **beside}

    def records(self, names: Collection[str]) -> Records:
        """A record for each picture."""
        for path in _pictures(self.folder):
            place = path if isinstance(path, str) else path.relative_to(self.folder.parent).as_posix()
            if isinstance(path, str):
                yield Broken(path, "the folder cannot be read")
                continue
            try:
                yield Record(place, self._fields(path))
            except (OSError, ValueError) as error:
                yield Broken(place, f"what lies beside it cannot be read: {error}")

    def _fields(self, path: Path) -> dict[str, object]:
        name = path.relative_to(self.folder).with_suffix("").as_posix()
        fields: dict[str, object] = {"image": Local(path), "name": name}
        if self.has.intersection(CAPTIONS):
            beside = (path.with_suffix(ending) for ending in CAPTIONS)
            found = next((each for each in beside if each.is_file()), None)
            fields["caption"] = None if found is None else _text(found).decode("utf-8-sig").strip()
        if ".json" in self.has:
            beside_it = path.with_suffix(".json")
            fields["json"] = parse(_text(beside_it)) if beside_it.is_file() else None
        return fields

    def count(self) -> int:
        """Its pictures."""
        return sum(not isinstance(path, str) for path in _pictures(self.folder))


def _text(path: Path) -> bytes:
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path.name} has more than {MOST_BYTES >> 20} MiB")
    return path.read_bytes()


def _pictures(folder: Path) -> Iterator[Path | str]:
    """Its pictures in order; of a folder that cannot be read its name, as text."""
    try:
        with os.scandir(folder) as found:
            entries = sorted((each for each in found if not each.name.startswith(".")), key=lambda each: each.name)
    except OSError:
        yield str(folder)
        return
    folders = []
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):  # a link may lead in a circle
            folders.append(entry.name)
        elif entry.name.lower().endswith(EXTENSIONS):
            yield folder / entry.name
    for name in folders:
        yield from _pictures(folder / name)


def open_folder(given: Given) -> Source:
    """Open a folder of pictures.

    Raises:
        InputError: it has none.
    """
    folder = given.one_file()
    has: set[str] = set()
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        has.update(os.path.splitext(name)[1].lower() for name in names if not name.startswith("."))  # noqa: PTH122
    if not has.intersection(EXTENSIONS):
        table = next((each for each in TABLES if each in has), "")
        mend = f"; of its {table} files say '{given.text.rstrip('/')}/*{table}'" if table else ""
        raise InputError(f"{given.text}: no picture in it ({', '.join(EXTENSIONS)}){mend}")
    return Folder(folder, frozenset(has))

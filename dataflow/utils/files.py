"""Files that are written whole or not at all, digests of contents, and the search for the picture that a row names."""

import hashlib
import os
import re
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from dataflow.errors import RowError

_URL = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)
_LONGEST_NAME = 1024  # characters; a longer text is no path, such as a picture in base64


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of bytes in hex: the content digest of journals and ids."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: str) -> str:
    """The SHA-256 of a file's content in hex; the file is read in pieces.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - as os.stat beside it
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp_of(stat: os.stat_result) -> int:
    """A 64-bit number that changes when a file is written or replaced, even if its size and mtime are the old ones.

    No program can set the ctime, and an archive that restores an old mtime makes a new inode.
    """
    return hash((stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def user_cache() -> Path:
    """This library's folder in the user's cache folder; for a user without a home, a path that cannot be created."""
    with suppress(RuntimeError):
        return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "dataflow-mm"
    return Path(os.devnull) / "dataflow-mm"


def rename_durably(source: Path, target: Path) -> None:
    """Replace `target` by `source` in one atomic step that survives a power cut."""
    descriptor = os.open(source, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    source.replace(target)
    sync_folder(target.parent)


@contextmanager
def temporary_beside(target: Path) -> Iterator[Path]:
    """A context manager with a new empty file in the target's folder; at its end the file is removed unless renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = _in_the_making(target)
    path.touch(exist_ok=False)  # unlike mkstemp's, its permissions follow the umask
    try:
        yield path
    finally:
        _remove(path)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a whole file under its final name, or nothing: temporary file, fsync, rename, fsync of the folder.

    It makes as few system calls as it can. Each call releases the interpreter's lock and must get it back, which costs
    more than the call itself while another thread computes in Python.

    Raises:
        OSError: the disk does not take it; the error names a file.
    """
    temporary = _in_the_making(path)
    try:
        with ExitStack() as undo:
            undo.callback(_remove, temporary)
            write_durably(temporary, data)
            temporary.replace(path)
            undo.pop_all()
        sync_folder(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)  # the error of a full disk names no file
        raise


def _in_the_making(target: Path) -> Path:
    return target.parent / f".{uuid.uuid4().hex}.tmp"


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()


def write_durably(path: Path, data: bytes) -> None:
    """Write a new file and fsync it; missing folders are created.

    Raises:
        OSError: the file exists already, or the disk does not take it.
    """
    new = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        descriptor = os.open(path, new, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, new, 0o666)
    try:
        unwritten = memoryview(data)
        while unwritten:
            unwritten = unwritten[os.write(descriptor, unwritten) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class PathRules:
    """The folders in which a picture is looked for that a row names by a relative path, in this order.

    Args:
        cwd: the working directory of this run.
        folders: the folder of the file that the row is read from, and that of the first entry.
        recorded_cwd: the working directory of the run that wrote that file, where it is another.
        moved: (old, new) path of the cache directory, or of a folder above it, if it was moved since that run.
    """

    cwd: Path
    folders: tuple[Path, ...] = ()
    recorded_cwd: Path | None = None
    moved: tuple[Path, Path] | None = None
    _known: dict[str, str] = field(default_factory=dict)  # name in a row → absolute path
    _decomposed: dict[Path, dict[str, list[str]]] = field(default_factory=dict)  # folder → `_decomposed_names` of it

    def resolve(self, name: str) -> str:
        """The absolute path of a picture named in a row.

        Raises:
            RowError: the name is a URL or no path, no such file exists, or two different files fit the name.
        """
        if self.moved is None and os.path.isabs(name) and os.path.isfile(name):  # noqa: PTH113, PTH117 - once a picture
            return name
        if (known := self._known.get(name)) is not None:
            return known
        found = self._find(name)
        if len(self._known) < 10_000:
            self._known[name] = found
        return found

    def _find(self, name: str) -> str:
        """Look for a picture in all its candidates.

        The working directory wins, as for every relative path. But where the folder of the rows has another picture of
        that name, the row may mean either, and is refused.
        """
        places = self._candidates(_at_home(Path(name)))
        files = [place if _is_there(place) else None for place in places]
        if not any(files) and not name.isascii():
            files = [self._in_another_form(place) for place in places]
        first = next(filter(None, files), None)
        if first is None and _URL.match(name):
            raise RowError(f"{name[:80]!r} is a URL: download the picture first and name the file")
        if first is None and len(name) > _LONGEST_NAME:
            raise RowError(f"{name[:40]!r}... is no path: save the picture as a file and name the file")
        if first is None:
            looked = " nor ".join(str(place) for place in dict.fromkeys(places))
            raise RowError(f"no picture {name!r} at {looked}")
        for rival in () if Path(name).is_absolute() else files[1 : 1 + len(self.folders)]:
            if rival not in (None, first) and not _same_content(first, rival):
                raise RowError(f"picture {name!r} could be {first} or {rival}, which differ: use an absolute path")
        return str(first)

    def _candidates(self, path: Path) -> list[Path]:
        """The absolute paths that a name may mean, the most likely one first."""
        roots = [self.cwd, *self.folders]
        if self.recorded_cwd is not None:
            roots.append(self.recorded_cwd)
        places = [_without_dots(root / path) for root in roots]
        if self.moved is not None:
            old, new = self.moved
            before = [Path(os.path.normpath(place)) for place in places]
            places += [new / place.relative_to(old) for place in before if place.is_relative_to(old)]
        return places[::-1] if path.is_absolute() else places  # of an absolute path only the moved differs

    def _in_another_form(self, place: Path) -> Path | None:
        """The file whose name has the same letters in another Unicode form, such as the accents of macOS; else None.

        Raises:
            RowError: several names in a folder have these letters.
        """
        here = Path(place.anchor)
        for part in place.parts[1:]:
            composed = unicodedata.normalize("NFC", part)
            exact = next((name for name in (part, composed) if os.path.lexists(here / name)), None)
            names = [exact] if exact is not None else self._decomposed_names(here).get(composed, [])
            if len(names) > 1:
                raise RowError(f"picture {str(place)!r} could be any of {names!r} in {here}: keep one of them")
            if not names:
                return None
            here /= names[0]
        return here if _is_there(here) else None

    def _decomposed_names(self, folder: Path) -> dict[str, list[str]]:
        """Composed form (NFC) of a name → the names in a folder that have it and are in another form."""
        if folder not in self._decomposed:
            found = self._decomposed[folder] = {}
            with suppress(OSError):
                for name in os.listdir(folder):  # noqa: PTH208 - a million names
                    if not unicodedata.is_normalized("NFC", name):
                        found.setdefault(unicodedata.normalize("NFC", name), []).append(name)
        return self._decomposed[folder]


def moved_along(old: Path, new: Path) -> tuple[Path, Path]:
    """The (old, new) folder that was moved when a cache directory was: itself, or a folder above it.

    A folder above, such as of a project that holds inputs too, was moved as a whole if its old path is gone as well.
    """
    while old.name == new.name and not os.path.lexists(old.parent):
        old, new = old.parent, new.parent
    return old, new


def _without_dots(path: Path) -> Path:
    """The path without `..`, unless the system opens another file under it: `link/..` is where the link leads."""
    if ".." not in path.parts:
        return path
    short = Path(os.path.normpath(path))
    try:
        return short if short.samefile(path) else path
    except (OSError, ValueError):
        return path


def _at_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # no such user: the tilde belongs to the name
        return path


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for a path, a folder we may not look into
        return False


def _same_content(first: Path, second: Path) -> bool:
    """Whether two files have the same bytes.

    Raises:
        RowError: one of them cannot be read.
    """
    try:
        if first.samefile(second):
            return True
        if first.stat().st_size != second.stat().st_size:
            return False
        return sha256_of_file(str(first)) == sha256_of_file(str(second))
    except OSError as error:
        raise RowError(f"picture {error.filename} cannot be read: {error.strerror}") from None

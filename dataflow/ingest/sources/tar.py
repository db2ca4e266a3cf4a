"""Reads WebDataset tars, in which the members of a sample follow each other and share a key.

`ID.input0.png, ID.output.png, ID.json` is one record with the fields `input0.png`, `output.png` and those of the JSON.
The field `input0` finds a picture of any kind, and `image` the picture of `ID.jpg`. A tar is read from front to back,
one sample at a time, and nothing is unpacked onto the disk: names are keys and never paths. A link, a device or a
sparse member fails its record, and a declared size is checked before the member is read.

Source: the members of a sample, https://github.com/webdataset/webdataset (`base_plus_ext`, `group_by_keys`).
"""

import re
import tarfile
import zlib
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from gzip import GzipFile
from io import BufferedReader, FileIO, RawIOBase
from itertools import islice
from typing import Self

from dataflow.core.records import JSON
from dataflow.errors import InputError
from dataflow.ingest.records import MAX_BYTES, Broken, Bytes, Record, Records, Shape
from dataflow.ingest.sources import Given, Source
from dataflow.ingest.sources.rows import merged, shape_of
from dataflow.utils.row_json import parse

PICTURES = frozenset(("png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "ppm", "avif"))
TEXTS = frozenset(("txt", "text", "caption", "cls", "id", "transcript"))

_KEY = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]+)")
_MAX_TEXT = 16 << 20  # bytes of a text or JSON
_MAX_SAMPLE = 256 << 20  # bytes of all members of a sample, with their headers
_MAX_HEADER = 1 << 20  # bytes of a long name or of PAX headers, which tarfile reads whole
_MAX_MEMBER = 64 << 30  # bytes: tarfile would skip on behind the end of a cut-off tar
_REMEMBERED = 100_000  # last keys of a tar, among which a repeated key is noticed: some 15 MB
_FIRST = 32  # samples whose fields make the shape
_BUFFER = 1 << 16
_GZIP = b"\x1f\x8b"
_EXTENDED = {
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
}
# tarfile raises the last two for a PAX header that should hold a number and does not.
_DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError)


class _Header(tarfile.TarInfo):
    """A member's header. A damaged one raises, where tarfile would take it for the end of the tar."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse a header.

        Raises:
            tarfile.ReadError: the header is damaged, missing, or declares a size that would fill the memory.
        """
        if not buf:
            raise tarfile.ReadError("it ends without the empty blocks that end a tar: it was cut off")
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf.count(0) == tarfile.BLOCKSIZE == len(buf):
                raise  # an empty block ends the tar
            raise tarfile.ReadError(f"damaged header ({error})") from error
        if not 0 <= header.size <= (_MAX_HEADER if header.type in _EXTENDED else _MAX_MEMBER):
            raise tarfile.ReadError(f"damaged header (it says {header.size:,} bytes)")
        return header


@dataclass(slots=True)
class _Sample:
    """The members of one key, which are added as the tar is read.

    Attributes:
        key: the part of the names that the members share.
        members: rest of a member's name → its value.
        size: bytes of the members so far, with their headers.
        wrong: why the sample is no record; "": it is a record.
    """

    key: str
    members: dict[str, object] = field(default_factory=dict)
    size: int = 0
    wrong: str = ""

    def record(self, tar: str, names: Collection[str]) -> Record | Broken:
        """The record of the sample.

        Args:
            tar: name of the tar.
            names: fields to keep; empty: all.
        """
        place = f"{self.key} in {tar}"
        if self.wrong:
            return Broken(place, self.wrong)
        described = self.members.get("json")
        fields = described if isinstance(described, dict) else {}
        fields = {"__key__": self.key, **fields, **_by_short_name(self.members), **self.members}
        return Record(place, {name: value for name, value in fields.items() if not names or name in names})


@dataclass(frozen=True, slots=True)
class Tar:
    """One tar.

    Args:
        name: of the tar, for places and errors.
        opened: opens the tar as a file at its beginning, which is read forwards only.
    """

    name: str
    opened: Callable[[], RawIOBase]


@dataclass(frozen=True, slots=True)
class Tars(Source):
    """The samples of tars, in order.

    Args:
        tars: at least one tar.
    """

    tars: tuple[Tar, ...]

    def shape(self) -> Shape:
        """The fields of the first samples.

        Raises:
            InputError: the tars hold no whole sample.
        """
        found: Shape = {}
        wrong = f"{self.tars[0].name} holds no sample: no member has a name such as ID.png"
        with closing(self.records(())) as records:
            for each in islice(records, _FIRST):
                if isinstance(each, Record):
                    found = merged(found, shape_of(each.fields))
                else:
                    wrong = f"{each.place}: {each.reason}"
        if not found:
            raise InputError(wrong)
        return found

    def records(self, names: Collection[str]) -> Generator[Record | Broken]:
        """A record for each sample."""
        for tar in self.tars:
            yield from samples(tar.opened(), tar.name, names)

    def facts(self) -> dict[str, JSON]:
        """The number of tars."""
        return {"tars": len(self.tars)}


def open_tar(given: Given) -> Source:
    """Open tars by a path, a pattern or `{000..012}`."""
    return Tars(tuple(Tar(path.name, partial(FileIO, path)) for path in given.files))


def samples(file: RawIOBase, tar: str, names: Collection[str] = ()) -> Records:
    """The samples of one tar, packed with gzip or not.

    Args:
        file: the tar, at its beginning; it is read forwards only, and closed at the end.
        tar: name of the tar, for places and errors.
        names: fields to read; empty: all.
    """
    seen: dict[str, None] = {}
    last_key = ""
    try:
        for sample in _grouped(file, names):
            last_key = sample.key
            if last_key in seen and not sample.wrong:
                sample.wrong = "its key came before in this tar: the members of a sample stand one behind the other"
            seen[last_key] = None
            if len(seen) > _REMEMBERED:
                del seen[next(iter(seen))]
            yield sample.record(tar, names)
    except _DAMAGE as error:
        reason = f"damaged header ({error})" if isinstance(error, ValueError) else str(error) or type(error).__name__
        lost = f"what follows `{last_key}` is lost" if last_key else "no sample of it is whole"
        yield Broken(tar, f"{reason}; {lost}")


def _grouped(file: RawIOBase, names: Collection[str]) -> Iterator[_Sample]:
    """Group the members of each key; raises one of `_DAMAGE` where the tar is damaged."""
    sample: _Sample | None = None
    with _opened(file) as tar:
        place = -1
        while (member := tar.next()) is not None:
            if (
                not 0 <= member.size <= _MAX_MEMBER or member.offset <= place
            ):  # a PAX header may say so, and tarfile believes it
                raise tarfile.ReadError("damaged header (it leads out of the tar)")
            place = member.offset
            tar.members.clear()  # type: ignore[attr-defined]  # the list would keep every header in memory
            name = member.name.removeprefix("./")
            found = _KEY.fullmatch(name)
            if member.isdir() or found is None or name.startswith("__MACOSX/"):
                continue
            if sample is None or sample.key != found[1]:
                if sample is not None:
                    yield sample
                sample = _Sample(found[1])
            _add(sample, tar, member, found[2].lower(), names)
    if sample is not None:
        yield sample


@contextmanager
def _opened(file: RawIOBase) -> Iterator[tarfile.TarFile]:
    """Open the tar in a file. Python's gzip reader unpacks it, since tarfile's own does not check gzip's sums."""
    with ExitStack() as stack:
        plain = stack.enter_context(BufferedReader(file, _BUFFER))
        reader = stack.enter_context(GzipFile(fileobj=plain)) if plain.peek(2)[:2] == _GZIP else plain
        yield stack.enter_context(
            tarfile.open(
                fileobj=reader, mode="r|", bufsize=_BUFFER, tarinfo=_Header, encoding="utf-8", errors="backslashreplace"
            )
        )


def _add(sample: _Sample, tar: tarfile.TarFile, member: tarfile.TarInfo, ending: str, names: Collection[str]) -> None:
    """Read a member into its sample, or set why the sample is no record."""
    sample.size += tarfile.BLOCKSIZE
    if wrong := _wrong(member, ending):
        sample.wrong = sample.wrong or f"`{member.name}` {wrong}"
    elif ending in sample.members:
        sample.wrong = sample.wrong or f"`{member.name}` stands in it twice"
    elif not sample.wrong and _is_wanted(ending, names):
        sample.size += member.size
        if sample.size > _MAX_SAMPLE:
            sample.wrong = f"its members hold more than {_MAX_SAMPLE >> 20} MiB"
            return
        file = tar.extractfile(member)
        assert file is not None  # `_wrong` lets only plain files through
        try:
            sample.members[ending] = _value(file.read(), member.name, ending)
        except ValueError as error:
            sample.wrong = f"`{member.name}`: {error}"


def _wrong(member: tarfile.TarInfo, ending: str) -> str:
    """Why a member may not be read; "": it may be read."""
    if member.issym() or member.islnk():
        return f"is a link to `{member.linkname}`, and none is followed: pack what it leads to (tar --dereference)"
    if member.issparse():
        return "is stored with holes, as a sparse file: pack it whole (tar without -S)"
    if not member.isreg():
        return "is no file but a device, a pipe or the like"
    if member.name.startswith("/") or ".." in member.name.split("/"):
        return "has a name that leads out of the tar"
    most = MAX_BYTES if _kind(ending) in PICTURES else _MAX_TEXT
    if member.size > most:
        return f"declares {member.size:,} bytes, more than {most >> 20} MiB"
    return ""


def _kind(ending: str) -> str:
    return ending.rpartition(".")[2]


def _is_wanted(ending: str, names: Collection[str]) -> bool:
    kind = _kind(ending)
    if kind == "json":
        return True
    if kind in PICTURES:
        return not names or ending in names or _name(ending) in names
    return kind in TEXTS and (not names or ending in names)


def _value(data: bytes, name: str, ending: str) -> object:
    """The value of a member.

    Raises:
        ValueError: the member is no JSON, or no text.
    """
    kind = _kind(ending)
    if kind in PICTURES:
        return Bytes(data, name)
    return parse(data) if kind == "json" else data.decode("utf-8-sig").strip()


def _name(ending: str) -> str:
    """The name of a picture without its kind: `input0` for `input0.png`, and `image` for `png`."""
    return ending.rpartition(".")[0] or "image"


def _by_short_name(members: dict[str, object]) -> dict[str, object]:
    """Pictures by their names without the kind, where only one picture has the name."""
    found: dict[str, list[object]] = {}
    for ending, value in members.items():
        if isinstance(value, Bytes):
            found.setdefault(_name(ending), []).append(value)
    return {name: values[0] for name, values in found.items() if len(values) == 1}

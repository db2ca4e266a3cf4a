"""The one tree of files that trainers read from: equal stems, one folder for each number of inputs, a text beside.

    [SPLIT/]inputs_{n}[_masked]/targets/STEM.png  STEM.txt  control_1/STEM.png ... control_n/STEM.png  masks/STEM.png

A folder for each number of inputs, since a loader that finds the second of two controls missing moves no error but the
next picture up; and one for those with masks, which a loader wants of all or of none. SPLIT stands there only where
there are splits. Pairs have `losers` beside `targets`. A text ends without an end of line, which some loaders would
train on and others take for the beginning of another caption.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from dataflow.export.pictures import Pictures
from dataflow.export.records import Record
from dataflow.export.spool import Part, part_of

TARGETS, CONTROL, MASKS, LOSERS = "targets", "control", "masks", "losers"


@dataclass(frozen=True, slots=True)
class Files:
    """Where the pictures of one record lie, as paths relative to the export.

    Args:
        edited: the result.
        text: its instruction, on one line.
        images: the inputs, in order.
        mask: empty: there is none.
        losers: of a pair.
    """

    edited: str
    text: str
    images: tuple[str, ...]
    mask: str = ""
    losers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tree:
    """Names in the tree; a `Builder` makes its files.

    Args:
        is_split: there are folders for splits.
        below: a folder of the export in which the tree lies; empty: its top.
    """

    is_split: bool = False
    below: str = ""

    def folder(self, part: Part) -> str:
        """Of one part, relative to the export."""
        name = f"inputs_{part.inputs}{'_masked' if part.masked else ''}"
        folders = (self.below, part.split if self.is_split else "", name)
        return "/".join(filter(None, folders))

    def files(self, record: Record) -> Files:
        """Where a record's pictures lie."""
        folder, stem = self.folder(part_of(record)), record.stem
        return Files(
            f"{folder}/{TARGETS}/{stem}.{record.edited.ending}",
            f"{folder}/{TARGETS}/{stem}.txt",
            tuple(f"{folder}/{CONTROL}_{k}/{stem}.{each.ending}" for k, each in enumerate(record.images, start=1)),
            "" if record.mask is None else f"{folder}/{MASKS}/{stem}.{record.mask.ending}",
            tuple(f"{folder}/{losers(k)}/{stem}.{each.ending}" for k, each in enumerate(record.losers)),
        )


class Builder:
    """Makes the files of a tree.

    Args:
        tree: their names.
        root: the export, while it is made.
        pictures: gives them their files.
    """

    def __init__(self, tree: Tree, root: Path, pictures: Pictures) -> None:
        self._tree, self._root, self._pictures = tree, root, pictures
        self._made: set[str] = set()

    def add(self, record: Record) -> None:
        """The files of one record.

        Raises:
            RowError: a picture cannot be read any more.
        """
        files = self._tree.files(record)
        images = [record.edited, *record.images, *record.losers]
        names = [files.edited, *files.images, *files.losers]
        if record.mask is not None:
            images.append(record.mask)
            names.append(files.mask)
        for image, name in zip(images, names, strict=True):
            folder = name.rpartition("/")[0]
            if folder not in self._made:
                (self._root / folder).mkdir(parents=True, exist_ok=True)
                self._made.add(folder)
            self._pictures.place(image, f"{self._root}/{name}")
        _write_text(f"{self._root}/{files.text}", record.line)


def losers(k: int) -> str:
    """The folder of the k-th worse edit of a pair, from 0."""
    return LOSERS if k == 0 else f"{LOSERS}_{k + 1}"


def _write_text(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        data = text.encode()
        if os.write(descriptor, data) < len(data):  # no error where a disk has room for a part
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    finally:
        os.close(descriptor)

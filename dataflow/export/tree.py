"""Names and makes the one tree of files that trainers read: the files of a record have equal stems.

    [SPLIT/]inputs_{n}[_masked]/targets/STEM.png  STEM.txt  control_1/STEM.png ... control_n/STEM.png  masks/STEM.png

Each number of inputs has a folder of its own: a loader that misses the second of two controls raises no error and takes
the next picture in its place. Records with masks have one, too, since loaders want masks of all targets or of none.
SPLIT is there only if there are splits. Pairs have `losers` beside `targets`. A text has no line break at its end:
some loaders would train on it, and others take it for the beginning of another caption.
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
    """Paths of the files of one record, relative to the export.

    Args:
        edited: of the result.
        text: of the text file with the instruction.
        images: of the inputs, in order.
        mask: of the mask; empty: the record has none.
        losers: of the worse edits of a pair.
    """

    edited: str
    text: str
    images: tuple[str, ...]
    mask: str = ""
    losers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tree:
    """The names in a tree; a `Builder` makes its files.

    Args:
        is_split: whether each split has a folder.
        below: folder of the export in which the tree lies; empty: the export's top.
    """

    is_split: bool = False
    below: str = ""

    def folder(self, part: Part) -> str:
        """The folder of one part, relative to the export."""
        name = f"inputs_{part.inputs}{'_masked' if part.masked else ''}"
        folders = (self.below, part.split if self.is_split else "", name)
        return "/".join(filter(None, folders))

    def files(self, record: Record) -> Files:
        """The paths of a record's files, relative to the export."""
        folder, stem = self.folder(part_of(record)), record.stem
        return Files(
            f"{folder}/{TARGETS}/{stem}.{record.edited.ending}",
            f"{folder}/{TARGETS}/{stem}.txt",
            tuple(f"{folder}/{CONTROL}_{k}/{stem}.{image.ending}" for k, image in enumerate(record.images, start=1)),
            "" if record.mask is None else f"{folder}/{MASKS}/{stem}.{record.mask.ending}",
            tuple(f"{folder}/{losers_folder(k)}/{stem}.{image.ending}" for k, image in enumerate(record.losers)),
        )


class Builder:
    """Makes the files of a tree.

    Args:
        tree: names the files.
        root: path of the export while it is made.
        pictures: links, copies or bakes the pictures.
    """

    def __init__(self, tree: Tree, root: Path, pictures: Pictures) -> None:
        self._tree, self._root, self._pictures = tree, root, pictures
        self._made: set[str] = set()

    def add(self, record: Record) -> None:
        """Make the files of one record.

        Raises:
            RowError: a picture can no longer be read.
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


def losers_folder(k: int) -> str:
    """The name of the folder for the k-th worse edit of pairs, from 0."""
    return LOSERS if k == 0 else f"{LOSERS}_{k + 1}"


def _write_text(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        data = text.encode()
        if os.write(descriptor, data) < len(data):  # a disk with room for a part of the text raises no error
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    finally:
        os.close(descriptor)

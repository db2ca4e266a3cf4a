"""`records.jsonl` beside a tree: what is known of each record whose pictures are files, in the columns of the tables.

Lists of trainers have no place for it, and who made a picture under which licence must not be lost on the way.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import orjson

from dataflow.export.facts import Facts
from dataflow.export.records import Record
from dataflow.export.tree import Tree

NAME = "records.jsonl"


class Listing:
    """Writes a line for each record that it is given; without any there is no file.

    Args:
        tree: in which their files lie; the listing lies at its top.
        root: the export, while it is made.
        stack: closes the file.
    """

    def __init__(self, tree: Tree, root: Path, stack: ExitStack) -> None:
        self._tree, self._stack = tree, stack
        self._path = root / tree.below / NAME
        self._file: BinaryIO | None = None

    def add(self, record: Record) -> None:
        """One more record, whose files are there."""
        if self._file is None:
            self._file = self._stack.enter_context(self._path.open("wb", buffering=1 << 18))
        files = self._tree.files(record)
        paths = {"edited_image": files.edited, "images": files.images, "mask": files.mask, "losers": files.losers}
        line = {"split": record.split, "files": {name: each for name, each in paths.items() if each}}
        self._file.write(orjson.dumps(line | Facts().of(record)) + b"\n")

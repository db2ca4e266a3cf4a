"""Writes `records.jsonl` beside a tree: each record's files, and all that the columns of a table would say of it.

The lists of trainers have no place for who made a picture and under which licence, and that must not be lost.
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
    """Writes one line for each record; without a record there is no file.

    Args:
        tree: the tree of the records' files; the listing lies at its top.
        root: path of the export while it is made.
        stack: closes the listing's file at its end.
    """

    def __init__(self, tree: Tree, root: Path, stack: ExitStack) -> None:
        self._tree, self._stack = tree, stack
        self._path = root / tree.below / NAME
        self._file: BinaryIO | None = None

    def add(self, record: Record) -> None:
        """Write the line of a record whose files are in the tree."""
        if self._file is None:
            self._file = self._stack.enter_context(self._path.open("wb", buffering=1 << 18))
        files = self._tree.files(record)
        paths = {"edited_image": files.edited, "images": files.images, "mask": files.mask, "losers": files.losers}
        line = {"split": record.split, "files": {name: path for name, path in paths.items() if path}}
        self._file.write(orjson.dumps(line | Facts().of(record)) + b"\n")

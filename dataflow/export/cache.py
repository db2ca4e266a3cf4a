"""Finds the rows to export in a cache directory: the step, its side outputs, and the meta files of all steps.

This module locks and writes nothing, so it works beside a run and on a read-only copy. A step file that exists is
complete, since a run renames it last.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from dataflow.core.records import Row
from dataflow.errors import ConfigError
from dataflow.export.records import RowsOf
from dataflow.utils.files import PathRules, moved_along
from dataflow.utils.rowfiles import read_rows
from dataflow.utils.step_files import StepFile, step_file, step_files

IMAGES = ("images", "input_image")
EDITED = ("edited_images", "output_image")
"""Names that the guide and its example pipelines give to the columns of input pictures and of results."""


@dataclass(frozen=True, slots=True)
class Source:
    """The step whose rows are exported.

    Args:
        path: absolute path of the step's file.
        name: `{prefix}_step{n}`; the stem of a file that no step wrote.
        cache_path: absolute path of the cache directory.
        metas: step's name → its meta file, in order, of all steps of the directory but the later ones of this prefix.
    """

    path: Path
    name: str
    cache_path: Path
    metas: dict[str, Row]

    @property
    def finished(self) -> float:
        """The time at which the step's file was completed, in seconds since 1970."""
        return self.path.stat().st_mtime

    def has(self, rows: RowsOf) -> bool:
        """Whether the step has this side output."""
        return self._side(rows).is_file()

    def _side(self, rows: RowsOf) -> Path:
        return self.path.with_name(f"{self.name}.{rows}.jsonl")

    def file(self, rows: RowsOf) -> Path:
        """The step's own file, or that of a side output.

        Raises:
            ConfigError: the step has no such side output.
        """
        if rows == "rows":
            return self.path
        side = self._side(rows)
        if not side.is_file():
            raise ConfigError(
                f"{side} is not there: {rows} come of an accept loop (ImageEditAcceptLoop); name its step with --step"
            )
        return side

    def rows(self, of: RowsOf = "rows") -> Iterator[tuple[str, Row]]:
        """The rows, each with its place, `file:line`.

        Raises:
            ConfigError: the step has no such side output.
            InputError: a line of the file is broken.
        """
        path = self.file(of)
        return ((f"{path.name}:{number}", row) for number, row in read_rows(path))

    def path_rules(self) -> PathRules:
        """The rules by which the paths in the rows are resolved."""
        here, meta = Path.cwd(), self.metas.get(self.name, {})
        cwd, old = meta.get("cwd"), meta.get("cache_path")
        return PathRules(
            here,
            folders=(self.path.parent,),
            recorded_cwd=Path(cwd) if cwd and Path(cwd) != here else None,
            moved=moved_along(Path(old), self.cache_path) if old and Path(old) != self.cache_path else None,
        )


def find_source(cache: Path, step: int | None = None) -> Source:
    """Find the step to export.

    Args:
        cache: the `cache_path` of a FileStorage, or a file of rows in it.
        step: number of the step; None: the last step with edits, of the newest run in the directory.

    Raises:
        ConfigError: the directory or the step does not exist, several steps have this number, or no step has edits.
    """
    cache = cache.expanduser().absolute()
    if cache.is_file():
        return _source(cache)
    if not cache.is_dir():
        raise ConfigError(f"{cache} is not there (looked from {Path.cwd()}): give the cache_path of a pipeline")
    found = [file for file in step_files(cache) if file.is_whole]
    if not found:
        raise ConfigError(f"{cache} has no finished step: run a pipeline with this cache_path first")
    if step is not None:
        return _source(_numbered(found, step))
    edited = [file.path for file in found if _has_edits(file.path)]
    if not edited and any(not file.path.stat().st_size for file in found):
        raise ConfigError(f"{cache} has no accepted edit to export: `dataflowmm view` shows the rejected ones, and why")
    if not edited:
        raise ConfigError(f"{cache} has no step with `{EDITED[0]}` in its rows: run one that edits, or name a --step")
    return _source(edited[-1])


def _numbered(found: Sequence[StepFile], step: int) -> Path:
    asked = [file.path for file in found if file.number == step]
    if not asked:
        there = ", ".join(map(str, sorted({file.number for file in found})))
        raise ConfigError(f"{found[0].path.parent} has no step {step}: its steps are {there}")
    if len(asked) > 1:
        raise ConfigError(f"step {step} is any of {', '.join(path.name for path in asked)}: give the file itself")
    return asked[0]


def _has_edits(path: Path) -> bool:
    first: Row = next((row for _, row in read_rows(path)), {})
    return any(name in first for name in EDITED)


def _source(path: Path) -> Source:
    step = step_file(path)
    name = path.stem if step is None else step.name
    return Source(path, name, path.parent, dict(_metas(path.parent, name)))


def _metas(cache: Path, name: str) -> Iterator[tuple[str, Row]]:
    prefix, _, number = name.rpartition("_step")
    for path in sorted(cache.glob("*_step[0-9]*.meta.json"), key=lambda meta: (len(meta.name), meta.name)):
        name_of_meta = path.name.removesuffix(".meta.json")
        other_prefix, _, other_number = name_of_meta.rpartition("_step")
        is_later = other_prefix == prefix and number.isdecimal() and int(other_number) > int(number)
        if not is_later:
            yield name_of_meta, orjson.loads(path.read_bytes())

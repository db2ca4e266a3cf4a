"""Finds the promise of a judge's precision, in the cache directory's `thresholds.json` or in a step's meta file."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from dataflow.core.records import Row
from dataflow.errors import InputError
from dataflow.judging.promise import THRESHOLDS, Promise, kept_promise, read_promise


def promise_of(cache_path: Path, metas: Mapping[str, Row], judge: str, rubric: str) -> Promise | None:
    """The promise of a judge; None if nobody labelled its edits.

    Args:
        cache_path: the cache directory.
        metas: step's name → its meta file, of the steps that the rows went through.
        judge: digest of the judge.
        rubric: digest of the rubric.
    """
    known = (*_of_file(cache_path), *_of_steps(metas))
    return next((promise for promise in known if (promise.judge, promise.rubric) == (judge, rubric)), None)


def _of_file(cache_path: Path) -> Iterator[Promise]:
    with suppress(InputError):  # the file is missing, of another version, or no promise file at all
        yield read_promise(cache_path / THRESHOLDS)


def _of_steps(metas: Mapping[str, Row]) -> Iterator[Promise]:
    for meta in metas.values():
        if promise := kept_promise(meta.get("summary", {}).get("judged", {})):
            yield promise

"""What people's labels promise of a judge: where a step kept it, or where it lies in the cache directory."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from dataflow.core.records import Row
from dataflow.errors import InputError
from dataflow.judging.promise import THRESHOLDS, Promise, kept_promise, read_promise


def promise_of(cache_path: Path, metas: Mapping[str, Row], judge: str, rubric: str) -> Promise | None:
    """The promise of a judge; None: there is none.

    Args:
        cache_path: of the step.
        metas: of the steps that its rows went through.
        judge: digest of the judge.
        rubric: digest of the rubric.
    """
    known = (*_of_file(cache_path), *_of_steps(metas))
    return next((each for each in known if (each.judge, each.rubric) == (judge, rubric)), None)


def _of_file(cache_path: Path) -> Iterator[Promise]:
    with suppress(InputError):  # none, of another version, or somebody else's
        yield read_promise(cache_path / THRESHOLDS)


def _of_steps(metas: Mapping[str, Row]) -> Iterator[Promise]:
    for meta in metas.values():
        if promise := kept_promise(meta.get("summary", {}).get("judged", {})):
            yield promise

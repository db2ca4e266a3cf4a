"""What people's labels promise of a judge, where a `thresholds.json` of it lies in the cache directory."""

from pathlib import Path

import orjson

from dataflow.utils.cache_folder import CacheFolder

THRESHOLDS = "thresholds.json"


def promise_of(cache_path: Path, judge: str, rubric: str) -> str:
    """A few words: how right the judge was found to be, or that no promise is there.

    Args:
        cache_path: of the step.
        judge: digest of the judge.
        rubric: digest of the rubric.
    """
    for folder in (cache_path, CacheFolder(cache_path).journal.parent):
        try:
            found = orjson.loads((folder / THRESHOLDS).read_bytes())
            if (found["judge"], found["rubric"]) == (judge, rubric):
                return (
                    f"calibrated: at {found['at']:g} of 10 or above at least {found['precision']:.0%} are good"
                    f" (confidence {found['confidence']:.0%}, {found['bad']} of {found['accepted']} labelled were bad)"
                )
        except (OSError, ValueError, KeyError, TypeError):  # of another version, or somebody else's
            continue
    return f"not calibrated: no {THRESHOLDS} of it in the cache directory says how right it is"

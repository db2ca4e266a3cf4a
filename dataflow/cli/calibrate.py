"""`dataflowmm calibrate`: reports how a judge agrees with labels, and writes the threshold that the labels promise."""

from argparse import Namespace
from functools import partial
from pathlib import Path

from dataflow.calibration.calibrate import calibrate
from dataflow.calibration.compare import compare_judges
from dataflow.calibration.edits import judged_file
from dataflow.calibration.labels import LABEL, read_labels
from dataflow.calibration.report import describe_calibration, describe_comparison
from dataflow.cli.streams import say
from dataflow.errors import InputError
from dataflow.judging.promise import THRESHOLDS, write_promise

NOTHING_PROMISED = 3


def run_calibrate(options: Namespace) -> int:
    """Print the report on a judge and write the promised threshold; returns the exit code: 3 if none can be promised.

    Args:
        options: the command's flags. `cache_dir` is read without a lock. `out`: the file to write; None:
            `thresholds.json` in `cache_dir`. `rows`: a file with verdicts, or the prefix of its step. `judges`: two
            such files or prefixes, which are compared in place of a calibration; no threshold is written then.

    Raises:
        ConfigError: the directory has no judged edits, or none of them is labelled.
        InputError: there are no labels, or a file is broken.
        NotStored: the disk does not take the threshold.
    """
    cache_dir, labels = Path(options.cache_dir), options.labels
    wanted = {
        "precision": options.precision,
        "confidence": options.confidence,
        "edited": options.output_key,
        "verdict": options.verdict_key,
    }
    judged = partial(judged_file, cache_dir, verdict=options.verdict_key)
    found_labels = read_labels(labels) if labels.is_file() else []
    if not any(each.kind == LABEL for each in found_labels):
        why = "it has hand verdicts alone" if found_labels else f"looked from {Path.cwd()}"
        raise InputError(f"no labels at {labels} ({why}): label edits first, dataflowmm view {cache_dir} --label")
    if options.judges:
        first, second = (judged(name) for name in options.judges)
        compared = compare_judges(found_labels, (first, second), **wanted)
        say("\n".join(describe_comparison(compared, precision=options.precision)))
        return 0
    found = calibrate(found_labels, judged(options.rows or ""), **wanted)
    say("\n".join(describe_calibration(found)))
    out = options.out or cache_dir / THRESHOLDS
    if found.promise is None:
        say(f"\nNothing is written{f'; {out} stays as it was' if out.exists() else ''}.")
        return NOTHING_PROMISED
    write_promise(out, found.promise)
    say(f"\n{out} is written. Judge by it with --thresholds {out}: no verdict is asked for again.")
    return 0

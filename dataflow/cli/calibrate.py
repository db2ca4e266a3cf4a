"""`dataflowmm calibrate`: what one's own labels say of a judge, and the threshold that they promise."""

from argparse import Namespace
from pathlib import Path

from dataflow.calibration.calibrate import calibrate
from dataflow.calibration.compare import compare_judges
from dataflow.calibration.edits import judged_file
from dataflow.calibration.labels import read_labels
from dataflow.calibration.report import describe_calibration, describe_comparison
from dataflow.cli.streams import say
from dataflow.errors import InputError
from dataflow.judging.promise import write_promise

NOTHING_PROMISED = 3


def run_calibrate(options: Namespace) -> int:
    """Print what the labels say, and write the promised threshold; returns the exit code: 3 if none can be promised.

    Args:
        options: `cache_dir`, which is read without a lock, `labels`, `precision`, `confidence`, `out`; `rows`, the file
            with the verdicts or the prefix of its step; `judges`, two of these instead, where no threshold is written.

    Raises:
        ConfigError: nothing is there to be calibrated.
    """
    cache_dir, labels = Path(options.cache_dir), options.labels
    wanted = {"precision": options.precision, "confidence": options.confidence}
    if not labels.is_file():
        raise InputError(
            f"no labels at {labels} (looked from {Path.cwd()}): label edits first, dataflowmm view {cache_dir} --label"
        )
    said = read_labels(labels)
    if options.judges:
        first, second = (judged_file(cache_dir, name) for name in options.judges)
        compared = compare_judges(said, (first, second), **wanted)
        say("\n".join(describe_comparison(compared, precision=options.precision)))
        return 0
    found = calibrate(said, judged_file(cache_dir, options.rows or ""), **wanted)
    say("\n".join(describe_calibration(found)))
    if found.promise is None:
        return NOTHING_PROMISED
    write_promise(options.out, found.promise)
    say(f"\n{options.out} is written. Judge by it with --thresholds {options.out}: nothing is asked again.")
    return 0

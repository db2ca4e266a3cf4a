"""Runs an example pipeline as a script: reads flags, prints summaries, draws contact sheets, returns the exit code.

So the pipelines stay as short as the guide writes them, and a user who copies a pipeline needs its class alone.
"""

import logging
import os
import signal
from collections.abc import Callable, Sequence
from typing import Protocol

from dataflow.cli.streams import LogFormat, close_streams, complain, open_streams, say
from dataflow.core.process_exit import end_at_the_next_signal, leave_with
from dataflow.errors import DataflowError, Interrupted
from dataflow.flow.summary import Summary
from dataflow.scripts.options import Options, Script, parse_options
from dataflow.scripts.show import show
from dataflow.utils.storage import FileStorage

NOT_ALL_ROWS = 3
"""The exit code of a run in which some rows failed, or a quota is not met."""


class Pipeline(Protocol):
    """Steps that read and write one storage, one after another."""

    storage: FileStorage

    def forward(self) -> Sequence[Summary]:
        """Run the steps; returns a summary of each step."""


def run_pipeline(script: Script, build: Callable[[Options], Pipeline]) -> int:
    """Run a pipeline by the flags of the command line, and show its results.

    Args:
        script: the pipeline's flags, models and columns.
        build: makes the pipeline that the flags ask for.

    Returns:
        The exit code; see `run_script`.
    """
    return run_script(lambda: _run(script, build))


def _run(script: Script, build: Callable[[Options], Pipeline]) -> Summary:
    from dataflow.flow.dry_run import total_of

    options = parse_options(script)
    if options.api_key:
        os.environ["DF_API_KEY"] = options.api_key
    pipeline = build(options)
    summaries = pipeline.forward()
    for summary in summaries:
        say(str(summary))
    if options.run.dry_run:
        estimates = [summary.estimate for summary in summaries if summary.estimate is not None]
        if any(estimate.remaining and estimate.seconds_each for estimate in estimates):
            say("after a run with --limit 5, a dry run says the time by the speed of that run")
        say(total_of(summaries) if len(summaries) > 1 else "nothing was sent")
    else:
        show(pipeline.storage.current, script.shown, summaries[-1])
    return summaries[-1]


def run_script(main: Callable[[], Summary]) -> int:
    """Run the main function of a script; an error that the user must act on is printed in one line.

    Args:
        main: runs the script, and returns the summary of its last step.

    Returns:
        The exit code: 0; 3 if some rows failed, or fewer were accepted than a quota wants; 1 for the user's mistake, or
        if no request can succeed; 130, 143 or 129 after Ctrl-C, SIGTERM or SIGHUP.
    """
    open_streams()
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormat())
    logging.basicConfig(level=_log_level(), handlers=[handler])
    code = _exit_code_of(main)
    leave_with(code)
    return code


def _exit_code_of(main: Callable[[], Summary]) -> int:
    try:
        summary = main()
    except Interrupted as stop:
        end_at_the_next_signal()
        complain(f"\n{stop}")
        return stop.exit_code
    except KeyboardInterrupt:  # between two steps
        return 128 + signal.SIGINT
    except DataflowError as error:
        complain(f"error: {error}")
        return 1
    finally:
        close_streams()
    is_short = summary.short > 0 and summary.estimate is None
    return NOT_ALL_ROWS if summary.failed or is_short else 0


def _log_level() -> str:
    level = os.environ.get("DF_LOG_LEVEL", "WARNING").upper()
    return level if level in logging.getLevelNamesMapping() else "WARNING"

"""`dataflowmm judge`: judges the edits of a cache directory, and says first the price."""

import argparse
from pathlib import Path

from dataflow.cli.streams import say, say_shard
from dataflow.core.run_options import RunOptions
from dataflow.errors import ConfigError
from dataflow.judging.verdict import THRESHOLD, Thresholds
from dataflow.operators.core_vision import ImageEditJudge
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.rowfiles import read_rows
from dataflow.utils.step_files import StepFile, step_files
from dataflow.utils.storage import FileStorage

PREFIX = "judged"
_EDITS = "edited_images"


def run_judge(options: argparse.Namespace) -> int:
    """Judge the edits that the flags choose; returns the exit code: 3 if rows failed.

    Raises:
        ConfigError: there is no directory or no step with edits. Other errors are those of `run_step`.
    """
    return judge(
        Path(options.cache_dir),
        model=options.judge_model,
        url=options.judge_url,
        rows=options.rows,
        threshold=options.thresholds or options.threshold,
        prefix=options.prefix,
        max_cost=options.max_cost,
        prices=options.prices,
        canaries=not options.no_canaries,
        overwrite=options.overwrite,
        yes=options.yes,
    )


def judge(
    cache_dir: Path,
    *,
    model: str,
    url: str | None = None,
    rows: Path | None = None,
    threshold: Thresholds = THRESHOLD,
    prefix: str = PREFIX,
    max_cost: float | None = None,
    prices: str | None = None,
    canaries: bool = True,
    overwrite: bool = False,
    yes: bool = False,
) -> int:
    """Judge every row, into `{prefix}_step1.jsonl` beside the step's file; returns the exit code: 3 if rows failed.

    Args:
        cache_dir: the `cache_path` of a FileStorage; its journal and its spent money count for the judge too.
        model: name of the judge's model at its address.
        url: address of the judge; None: the environment's `DF_BASE_URL`.
        rows: the step's file; None: the newest one in the directory that has edits.
        threshold: the least number, 0 to 10, that each axis needs, or the path of a `thresholds.json`.
        prefix: of the file that is written; verdicts of several judges need different prefixes.
        max_cost: the most to spend in the directory; None: `DF_MAX_COST`, or no limit.
        prices: path of a price file; None: the shipped prices.
        canaries: ask the judge first about pairs with known answers.
        overwrite: judge also rows that have a verdict, such as those of an accept loop.
        yes: judge; without it nothing is sent, and the price is printed.

    Raises:
        ConfigError: there is no directory or no step with edits. Other errors are those of `run_step`.
    """
    source = rows or _newest_edits(cache_dir, prefix)
    serving = APIVLMServing_openai(url, model_name=model)
    operator = ImageEditJudge(serving, thresholds=threshold, canaries=canaries)
    options = RunOptions(max_cost=max_cost, prices=prices, dry_run=not yes)
    step = FileStorage(source, cache_dir, prefix, options=options).step()
    say_shard(step.options.shard, step.cache_path)
    summary = operator.run(step, overwrite=overwrite)
    say(f"edits of {source}\n{summary}")
    if not yes:
        say("Nothing was sent. Add --yes to judge them.")
    return 3 if summary.failed else 0


def _newest_edits(cache_dir: Path, prefix: str) -> Path:
    """The file of the newest step with edits.

    Raises:
        ConfigError: there is no directory, or no such step.
    """
    if not cache_dir.is_dir():
        raise ConfigError(f"{cache_dir} is not there (looked from {Path.cwd()}): give the cache_path of a pipeline")
    found = [each.path for each in step_files(cache_dir) if _has_edits_to_judge(each, prefix)]
    if not found:
        raise ConfigError(f"{cache_dir} has no step with `{_EDITS}`: name the file with --rows")
    return found[-1]


def _has_edits_to_judge(step: StepFile, prefix: str) -> bool:
    """Whether a step is complete, is no earlier judging, and its first row has edits."""
    is_judged = step.name.startswith((f"{PREFIX}_", f"{prefix}_"))
    return step.is_whole and not is_judged and _EDITS in next((row for _, row in read_rows(step.path)), {})

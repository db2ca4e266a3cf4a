"""`dataflowmm judge`: judges the edits that a cache directory has already, and says first what that costs."""

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
    """Judge as the flags say; returns the exit code.

    Raises:
        ConfigError: as `judge`.
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
        cache_dir: the `cache_path` of a FileStorage; its limits on money and its journal are the judge's too.
        model: of the judge, as its address names it.
        url: of the judge; None: `DF_BASE_URL`.
        rows: the step's file; None: the newest one in the directory that has edits.
        threshold: the least number, 0 to 10, that each axis needs, or the path of a `thresholds.json`.
        prefix: of the file; another judge's verdicts go under another.
        max_cost: most to spend in the directory.
        prices: a price file.
        canaries: ask about pairs with known answers first.
        overwrite: judge also rows that have a verdict, as those of an accept loop do.
        yes: judge; without it only what it would cost is told.

    Raises:
        ConfigError: there is no directory or no step with edits; what `run_step` raises.
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
    if not cache_dir.is_dir():
        raise ConfigError(f"{cache_dir} is not there (looked from {Path.cwd()}): give the cache_path of a pipeline")
    found = [each.path for each in step_files(cache_dir) if _is_judged_next(each, prefix)]
    if not found:
        raise ConfigError(f"{cache_dir} has no step with `{_EDITS}`: name the file with --rows")
    return found[-1]


def _is_judged_next(step: StepFile, prefix: str) -> bool:
    """Whether it is no earlier judging, and its first row has edits."""
    is_judged = step.name.startswith((f"{PREFIX}_", f"{prefix}_"))
    return step.is_whole and not is_judged and _EDITS in next((row for _, row in read_rows(step.path)), {})

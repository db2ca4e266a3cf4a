"""`dataflowmm instruct`: has a vision-language model write instructions for photographs, and says first the price."""

import argparse
from pathlib import Path

from dataflow.cli.streams import say, say_shard
from dataflow.core.run_options import RunOptions
from dataflow.operators.core_text import EditInstructionGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage

PREFIX = "instructed"


def run_instruct(options: argparse.Namespace) -> int:
    """Write instructions into `instructed_step1.jsonl` of the cache directory; returns the exit code: 3 if rows failed.

    Raises:
        ConfigError: a flag is wrong; see `EditInstructionGenerator`. Other errors are those of `run_step`.
    """
    rows = Path(options.rows)
    cache = Path(options.cache_path) if options.cache_path else rows.with_suffix(".instructed")
    serving = APIVLMServing_openai(options.url, model_name=options.model)
    languages = options.languages.split(",")
    operator = EditInstructionGenerator(serving, languages=languages, per_image=options.per_image, seed=options.seed)
    run = RunOptions(options.limit, options.max_cost, prices=options.prices, dry_run=not options.yes)
    step = FileStorage(rows, cache, PREFIX, options=run).step()
    say_shard(step.options.shard, step.cache_path)
    summary = operator.run(step)
    say(str(summary))
    if options.yes:
        say(f"next: python gpu_pipelines/image_editing_pipeline.py --input {step.target}")
    else:
        say("Nothing was sent. Add --yes to write them.")
        if summary.estimate is not None and summary.estimate.most and summary.estimate.unknown:
            say("The price is a bound: --limit 10 --yes first, then this says what answers cost.")
    return 3 if summary.failed else 0

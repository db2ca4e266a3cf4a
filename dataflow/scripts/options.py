"""What the example pipelines share: flags, the choice of the serving, exit codes, the contact sheet.

The pipelines themselves stay as short as the guide writes them; whoever copies one and goes his own
way can drop these calls one by one.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from dataflow.errors import ConfigError, DataflowError, Interrupted
from dataflow.flow.summary import Summary
from dataflow.pools.gpus import count_gpus
from dataflow.scripts.servings import LOCAL_MODELS, Purpose, local_copy
from dataflow.serving.dialects import FORMATS, Format
from dataflow.utils.rowfiles import read_rows
from dataflow.utils.storage import Step

ServingType = Literal["local", "api", "demo"]
FurtherFlag = tuple[type[int] | type[str], int | str | None, str]
SOME_ROWS_FAILED = 3


@dataclass(frozen=True, slots=True)
class Options:
    """The common flags of a pipeline, as given."""

    serving_type: ServingType
    api_url: str | None
    api_key: str | None = field(repr=False)
    model: str | None
    input: str
    cache_path: str
    limit: int | None
    max_cost: float | None
    prices: str | None
    dry_run: bool
    further: Mapping[str, Any]
    api_format: Format | None = None


def parse_options(
    description: str,
    *,
    example: str | None,
    script: str,
    cache_path: str,
    tasks: Mapping[str, Purpose],
    further: Mapping[str, FurtherFlag] = MappingProxyType({}),
) -> Options:
    """Read the common flags; prints which serving was chosen and why.

    Args:
        description: of the pipeline, for `--help`.
        example: folder below example_data/image_gen that holds the default input; a demo takes the one of
            this name below demo/, if there is one. None: the pipeline reads no rows.
        script: `__file__` of the pipeline.
        cache_path: its default.
        tasks: flags that name a model → what that model is for.
        further: flags of this pipeline alone: name → (type, default, help).

    Raises:
        ConfigError: flags that contradict each other; no default input.
    """
    parser = argparse.ArgumentParser(
        usage="%(prog)s [flags]", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--serving_type", choices=("local", "api", "demo"), help="default: chosen as printed")
    address_help = "OpenAI-compatible address, default: the environment's DF_BASE_URL; several are replicas"
    parser.add_argument("--api_url", action="append", help=address_help)
    format_help = "what the address speaks for pictures, default: as its name and the model's say; engines: images"
    parser.add_argument("--api_format", choices=FORMATS, help=format_help)
    parser.add_argument("--api_key", help="better: export DF_API_KEY=... (flags are visible to other users)")
    parser.add_argument("--model", help="name at the address, or a local folder or hub id")
    if example is not None:
        parser.add_argument("--input", help=f"rows (.jsonl), default: {example}/prompts.jsonl of the example data")
    parser.add_argument("--cache_path", default=cache_path, help="results, journal and pictures (%(default)s)")
    parser.add_argument("--limit", type=int, help="only the first N rows; a full run later keeps their answers")
    parser.add_argument("--max_cost", type=float, help="most to spend in cache_path, default: DF_MAX_COST, or no limit")
    parser.add_argument("--prices", help="a price file, for models that the shipped table lacks or prices otherwise")
    parser.add_argument("--dry_run", action="store_true", help="ask nothing: how many requests, what cost, how long?")
    for name, (kind, default, words) in further.items():
        parser.add_argument(f"--{name}", type=kind, default=default, help=words)
    flags = parser.parse_args()
    api_url = ",".join(flags.api_url or ()) or None
    models = [getattr(flags, name) or LOCAL_MODELS[task] for name, task in tasks.items()]
    if flags.limit is not None and flags.limit < 1:
        raise ConfigError(f"--limit is {flags.limit}: give a number of rows from 1")
    serving_type, why = choose_serving(flags.serving_type, api_url, flags.api_key, models=models)
    print(f"serving: {serving_type} ({why})")
    rows = ""
    if example is not None:
        rows = flags.input or str(default_input(example, script, demo=serving_type == "demo"))
    own = {name: getattr(flags, name) for name in further}
    return Options(
        serving_type,
        api_url,
        flags.api_key,
        flags.model,
        rows,
        flags.cache_path,
        flags.limit,
        flags.max_cost,
        flags.prices,
        flags.dry_run,
        own,
        flags.api_format,
    )


def choose_serving(
    wanted: ServingType | None, api_url: str | None, api_key: str | None, *, models: Sequence[str] = ()
) -> tuple[ServingType, str]:
    """Which serving a pipeline uses, and why. A download never starts unless `local` was asked for.

    Args:
        wanted: as the flag says.
        api_url: as the flag says.
        api_key: as the flag says.
        models: all that the pipeline would load if it ran locally: folders or names on the hub.
    """
    if wanted is not None:
        return wanted, "--serving_type"
    if api_url:
        return "api", "--api_url is given"
    if os.environ.get("DF_BASE_URL") and (api_key or os.environ.get("DF_API_KEY")):
        return "api", "DF_BASE_URL and a key are set"
    if models and all(Path(model).is_dir() for model in models):
        return "local", "the model is a folder here"
    if models and count_gpus() and all(Path(model).is_dir() or local_copy(model) for model in models):
        return "local", "a GPU and the model are here"
    return "demo", "no address and no key; give --api_url for a real model"


def default_input(example: str, script: str, *, demo: bool = False) -> Path:
    """The example rows beside the working directory, else beside the script.

    Args:
        example: folder below example_data/image_gen.
        script: `__file__` of the pipeline.
        demo: prefer the rows of that name for the demo model.

    Raises:
        ConfigError: neither is there.
    """
    homes = [Path(home) / "example_data" / "image_gen" for home in ("..", Path(script).resolve().parent.parent)]
    places = [home / example / "prompts.jsonl" for home in homes]
    of_demo = [home / "demo" / example / "prompts.jsonl" for home in homes] if demo else []
    for place in (*of_demo, *places):
        if place.is_file():
            return place
    raise ConfigError(f"no example rows at {' nor '.join(map(str, places))}: run `dataflowmm init`, or give --input")


def run_script(main: Callable[[], Summary]) -> int:
    """Run a pipeline's main and say how it ended.

    Returns:
        The exit code: 0; 3 when some rows failed; 1 for the user's mistake or when nothing can succeed;
        130 or 143 after a signal.
    """
    logging.basicConfig(level=_log_level(), format="%(levelname)s %(name)s: %(message)s")
    try:
        summary = main()
    except Interrupted as stop:
        print(f"\n{stop}", file=sys.stderr)
        return stop.exit_code
    except KeyboardInterrupt:  # between two steps
        return 128 + signal.SIGINT
    except DataflowError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return SOME_ROWS_FAILED if summary.failed else 0


def _log_level() -> str:
    level = os.environ.get("DF_LOG_LEVEL", "WARNING").upper()
    return level if level in logging.getLevelNamesMapping() else "WARNING"


def report(
    summaries: Sequence[Summary], step: Step, *, image_key: str | None, conversation_key: str, output_key: str
) -> None:
    """Print a summary per step and write the contact sheet beside the last step's file; a dry run has no file.

    Rows that say what has to come out, as the demo's do, are checked, and a table says which came out right.

    Args:
        summaries: of the pipeline's steps, in order.
        step: the last one.
        image_key: column of the input pictures; None where there are none.
        conversation_key: column of the instructions.
        output_key: column of the results.
    """
    from dataflow.demo.report import verdicts
    from dataflow.flow.dry_run import total_of
    from dataflow.view.contact_sheet import write_contact_sheet

    for summary in summaries:
        print(summary)
    if step.options.dry_run:
        print(total_of(summaries))
        return
    rules = step.path_rules()

    def resolve(name: str) -> Path:
        return Path(rules.resolve(name))

    rows = (row for _, row in read_rows(step.target))
    if table := verdicts(rows, conversation_key=conversation_key, output_key=output_key, resolve=resolve):
        print(f"\n{table}\n")
    failed = read_rows(step.errors) if step.errors.exists() else ()
    sheet = write_contact_sheet(
        (row for _, row in read_rows(step.target)),
        Path(step.cache_path).expanduser() / "contact_sheet.png",
        image_key=image_key or "",
        conversation_key=conversation_key,
        output_key=output_key,
        resolve=resolve,
        reasons={row["row"]: row["reason"] for _, row in failed},
    )
    if summaries[-1].failed:
        print(f"failed rows and reasons: {step.errors}")
    if sheet is not None:
        print(f"before, instruction, after: {sheet}")

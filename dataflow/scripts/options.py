"""The flags that the example pipelines share, and which serving they choose."""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from dataflow.cli.streams import say, say_shard
from dataflow.core.run_options import AtLimit, RunOptions
from dataflow.errors import ConfigError
from dataflow.judging.verdict import VERDICT
from dataflow.pools.gpus import count_gpus
from dataflow.scripts.judging import Judging
from dataflow.scripts.servings import LOCAL_MODELS, Purpose, local_copy
from dataflow.serving.api.address import needs_no_key
from dataflow.serving.dialects import FORMATS, Format
from dataflow.utils.rowfiles import read_rows
from dataflow.utils.shards import shard_wanted

log = logging.getLogger(__name__)

FurtherFlag = tuple[type[int] | type[float] | type[str], int | float | str | None, str]


@dataclass(frozen=True, slots=True)
class ShownColumns:
    """The columns that the contact sheet shows: before, instruction, after, verdict; `images` may be empty."""

    images: str
    conversation: str
    output: str
    verdict: str = VERDICT


@dataclass(frozen=True, slots=True)
class Script:
    """What an example pipeline says of itself as a script.

    Args:
        description: for `--help`.
        file: `__file__` of the pipeline.
        cache_path: its default.
        models: flags that name a model → what that model is for.
        shown: columns of the last step.
        example: folder below example_data/image_gen that holds the default input; a demo takes the folder of
            this name below demo/, if there is one. None: the pipeline reads no rows.
        further: flags of this pipeline alone: name → (type, default, help).
        judging: whether its edits are judged: "never", if the flags ask for it ("asked"), or "always".
        checks: whether a judge looks at its drawings too.
    """

    description: str
    file: str
    cache_path: str
    models: Mapping[str, Purpose]
    shown: ShownColumns
    example: str | None = None
    further: Mapping[str, FurtherFlag] = field(default_factory=dict)
    judging: Literal["never", "asked", "always"] = "never"
    checks: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What draws and edits ("local", "api" or "demo"), why, and the path of its rows; empty where it reads none."""

    serving_type: str
    why: str
    rows: str


@dataclass(frozen=True, slots=True)
class Options:
    """The flags of a pipeline, as given.

    Args:
        run: how much of it runs, and what it may spend.
        further: the flags of this pipeline alone, and any other, by name.
        judging: how edits are judged; None: they are not.
    """

    serving_type: str
    api_url: str | None
    api_key: str | None = field(repr=False)
    api_format: Format | None
    picture_hosts: Sequence[str]
    model: str | None
    input: str
    cache_path: str
    run: RunOptions
    further: argparse.Namespace = field(repr=False)
    judging: Judging | None = None


def parse_options(script: Script) -> Options:
    """Read the flags of the command line; prints which serving was chosen and why.

    Raises:
        ConfigError: flags that contradict each other; no default input; rows of one's own and no model for them.
    """
    flags = _parser(script).parse_args()
    flags.shard = shard_wanted(flags.shard)
    run = RunOptions(**{each.name: getattr(flags, each.name) for each in fields(RunOptions)})
    api_url = ",".join(flags.api_url or ()) or None
    rows = None if script.example is None else flags.input
    models = {**vars(flags), **({"judge_model": None} if vars(flags).get("judge_url") else {})}
    chosen = choose(script, flags.serving_type, rows, api_url=api_url, api_key=flags.api_key, models=models)
    say(f"serving: {chosen.serving_type} ({chosen.why})")
    say_shard(run.shard, f"{flags.cache_path}/{run.shard and run.shard.folder}")
    return Options(
        serving_type=chosen.serving_type,
        api_url=api_url,
        api_key=flags.api_key,
        api_format=flags.api_format,
        picture_hosts=flags.picture_hosts,
        model=flags.model,
        input=chosen.rows,
        cache_path=flags.cache_path,
        run=run,
        further=flags,
        judging=_judging(script, flags, chosen.serving_type),
    )


def _parser(script: Script) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        usage="%(prog)s [flags]",
        description=script.description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--serving_type", choices=("local", "api", "demo"), help="default: chosen as printed")
    address_help = "OpenAI-compatible address, default: the environment's DF_BASE_URL; several are replicas"
    add("--api_url", action="append", help=address_help)
    format_help = "what the address speaks for pictures, default: as engines, addresses and models say themselves"
    add("--api_format", choices=FORMATS, help=format_help)
    hosts_help = "own servers from which pictures that a reply only names are fetched, such as 10.0.0.5:9000"
    add("--picture_hosts", nargs="+", default=(), metavar="HOST", help=hosts_help)
    add("--api_key", help="better: export DF_API_KEY=... (flags are visible to other users)")
    add("--model", help="name at the address, or a local folder or hub id")
    if script.example is not None:
        add("--input", help=f"rows (.jsonl), default: {script.example}/prompts.jsonl of the example data")
    add("--cache_path", default=script.cache_path, help="results, journal and pictures (%(default)s)")
    add("--limit", type=int, help="only the first N rows; a full run later keeps their answers")
    add("--max_cost", type=float, help="most to spend in cache_path, default: DF_MAX_COST, or no limit")
    add("--at_limit", choices=get_args(AtLimit), default="stop", help="then: stop, or write the step without the rest")
    add("--prices", help="a price file, for models that the shipped table lacks or prices otherwise")
    add("--dry_run", action="store_true", help="ask nothing: how many requests, what cost, how long?")
    add("--shard", metavar="K/N", help="only part K of N, from 0 to N-1; slurm in a job array; default: DF_SHARD")
    add("--overwrite", action="store_true", help="ask for rows too that have a result already, such as another model's")
    add("--retry_rejected", action="store_true", help="ask again what a provider refused in an earlier run")
    if script.judging != "never":
        _add_judging(parser, script)
    for name, (kind, default, words) in script.further.items():
        add(f"--{name}", type=kind, default=default, help=words)
    return parser


def _add_judging(parser: argparse.ArgumentParser, script: Script) -> None:
    add = parser.add_argument
    add("--judge_model", help="a vision-language model that judges each result: name at its address, folder or hub id")
    add("--judge_url", help="the judge's address, default: where the model is that makes the pictures")
    if script.checks:
        add("--redraws", type=int, help=f"a drawing is drawn again so often at most, default: {Judging().redraws}")
    add("--no_canaries", action="store_true", help="do not ask the judge first about pictures with known answers")
    if "imageedit" not in script.models.values():
        return
    add("--tries", type=int, help=f"edits of a row until one is accepted, default: {Judging().tries}")
    add("--candidates", type=int, help=f"edits of each try, default: {Judging().candidates}")
    said = "a thresholds.json of this judge, or the cache_path that it lies in, default: 7 for each axis (calibration)"
    add("--thresholds", metavar="FILE", help=said)
    add("--no_gates", action="store_true", help="judge also what changed nothing or moved, which else falls unjudged")


def _judging(script: Script, flags: argparse.Namespace, serving_type: str) -> Judging | None:
    """How the flags want edits judged.

    Raises:
        ConfigError: they say how, and nothing judges.
    """
    if script.judging == "never":
        return None
    names = ("redraws", "tries", "candidates", "thresholds")
    settings = {name: value for name in names if (value := getattr(flags, name, None)) is not None}
    gates, canaries = not getattr(flags, "no_gates", False), not flags.no_canaries
    has_judge = script.judging == "always" or flags.judge_model or flags.judge_url
    how = [*settings, *([] if gates else ["no_gates"]), *([] if canaries else ["no_canaries"])]
    if not has_judge and not how:
        return None
    if not has_judge and serving_type != "demo":
        raise ConfigError(
            f"--{how[0]} is for {'drawings' if how[0] == 'redraws' else 'edits'} that are judged, and nothing judges"
            " them: give --judge_model, a vision-language model, and --judge_url where another address has it"
        )
    return Judging(flags.judge_model, flags.judge_url, **settings, gates=gates, canaries=canaries)


def choose(
    script: Script,
    serving_type: str | None,
    rows: str | None = None,
    *,
    models: Mapping[str, str | None],
    api_url: str | None = None,
    api_key: str | None = None,
) -> Choice:
    """What a pipeline works with, by the flags or by the arguments of its class.

    Args:
        script: what the pipeline says of itself.
        serving_type: the one that was asked for; None: chosen as `choose_serving` says.
        rows: path of rows of one's own; None: the example's.
        models: by their flags, as given; `judge_model` too, unless it has an address of its own.
        api_url: as given.
        api_key: as given.

    Raises:
        ConfigError: no model for rows of one's own; a model that is nowhere; no example rows.
    """
    known = [models.get(name) or LOCAL_MODELS[purpose] for name, purpose in script.models.items()]
    known += filter(None, [models.get("judge_model")])
    chosen, why = choose_serving(serving_type, api_url, api_key, models=known)
    if chosen == "demo" and serving_type is None:
        _check_folders({name: models.get(name) for name in (*script.models, "judge_model")})
    if rows and chosen == "demo" and serving_type is None:
        raise ConfigError(
            f"no model for the rows of {rows} ({why}). Set --api_url or DF_BASE_URL, and DF_API_KEY, or give"
            " --model <folder> or --serving_type local. The demo model knows drawn shapes only: --serving_type demo."
            " In Python these are arguments: serving_type='demo'"
        )
    if rows and chosen == "demo" and not _is_drawn(Path(rows)):
        _tell_of_smears(rows, Path.cwd())
    if not rows and script.example is not None:
        rows = str(default_input(script.example, script.file, demo=chosen == "demo"))
    return Choice(chosen, why, rows or "")


def choose_serving(
    wanted: str | None, api_url: str | None, api_key: str | None, *, models: Sequence[str] = ()
) -> tuple[str, str]:
    """Which serving a pipeline uses, and why. A download never starts unless `local` was asked for.

    Args:
        wanted: as the flag says.
        api_url: as the flag says.
        api_key: as the flag says.
        models: all that the pipeline would load if it ran locally: folders or names on the hub.
    """
    if wanted is not None:
        on_cpu = wanted == "local" and not count_gpus() and sys.platform != "darwin"
        note = "; no GPU here: a large model takes minutes a picture on a CPU" if on_cpu else ""
        return wanted, f"--serving_type{note}"
    if api_url:
        return "api", "--api_url is given"
    address = os.environ.get("DF_BASE_URL", "")
    if address and (api_key or os.environ.get("DF_API_KEY")):
        return "api", "DF_BASE_URL and a key are set"
    if address and needs_no_key(address):
        return "api", "DF_BASE_URL is a server of one's own"
    if models and all(Path(model).is_dir() for model in models):
        return "local", "the model is a folder here"
    if models and count_gpus() and all(Path(model).is_dir() or local_copy(model) for model in models):
        return "local", "a GPU and the model are here"
    if address:
        return "api", "DF_BASE_URL is set"
    return "demo", "no address and no key; give --api_url for a real model"


def _check_folders(models: Mapping[str, str | None]) -> None:
    """Look for the folders of the models that were given, where nobody else could have them.

    Raises:
        ConfigError: one is not there.
    """
    for flag, model in models.items():
        if model and not Path(model).is_dir():
            raise ConfigError(
                f"--{flag} {model}: there is no folder {Path(model).absolute()}, and no address that could serve it."
                " Put the path right; or give --api_url for a model that is served there, --serving_type local for one"
                " of the hub"
            )


@cache  # the command line chooses, and then the class that it makes
def _tell_of_smears(rows: str, folder: Path) -> None:
    log.warning("the demo model knows drawn shapes only: of the photographs in %s it makes smears", rows)


def _is_drawn(rows: Path) -> bool:
    """Whether rows are of the demo's own world; of a file that is not there or empty somebody else tells."""
    from dataflow.demo.truth import TRUTH

    return not rows.is_file() or TRUTH in next((row for _, row in read_rows(rows)), {TRUTH: ()})


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

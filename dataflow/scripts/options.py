"""The flags that the example pipelines share, and the choice of a serving by flags and environment.

One file of over 300 lines, since the help texts of all flags stand together: they must not contradict each other.
"""

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
    """The columns of a contact sheet.

    Args:
        images: of the pictures before; "": the step draws, and has none.
        conversation: of the instruction.
        output: of the pictures after.
        verdict: of the judge's verdicts.
    """

    images: str
    conversation: str
    output: str
    verdict: str = VERDICT


@dataclass(frozen=True, slots=True)
class Script:
    """What the command line of an example pipeline needs to know of the pipeline.

    Args:
        description: the text of `--help`.
        file: `__file__` of the pipeline.
        cache_path: default of `--cache_path`.
        models: flag that names a model → what the model is for.
        shown: columns of the contact sheet, which shows the last step.
        example: folder below example_data/image_gen with the default input; a demo prefers the folder of this name
            below demo/. None: the pipeline reads no rows.
        further: flags that this pipeline alone has: name → (type, default, help).
        judging: whether edits are judged: "never", "asked" (if a flag asks for it), or "always".
        checks: whether a judge may look at the drawings, too.
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
    """The serving that a pipeline works with.

    Args:
        serving_type: "local", "api" or "demo".
        why: the reason of the choice, in words.
        rows: path of the input rows; "": the pipeline reads none.
    """

    serving_type: str
    why: str
    rows: str


@dataclass(frozen=True, slots=True)
class Options:
    """The flags of a pipeline, once they are read and checked.

    Args:
        serving_type: "local", "api" or "demo".
        api_url: addresses, with commas between them; None: the environment decides.
        api_key: as given; None: the environment decides.
        api_format: wire format of the address; None: the address and the model's name decide.
        picture_hosts: hosts of the user's own network from which pictures are fetched that a reply only names.
        model: as given; None: the default.
        input: path of the input rows; "": the pipeline reads none.
        cache_path: folder of results, journal and pictures.
        run: how many rows run, and what they may cost.
        further: all flags by name, among them those that this pipeline alone has.
        judging: how edits are judged; None: they are not judged.
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
    """Read the flags of the command line, and print which serving was chosen and why.

    Raises:
        ConfigError: flags contradict each other; the example rows are missing; no model is there for the user's rows.
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
    thresholds_help = (
        "a thresholds.json of this judge, or the cache_path that it lies in, default: 7 for each axis (calibration)"
    )
    add("--thresholds", metavar="FILE", help=thresholds_help)
    add("--no_gates", action="store_true", help="judge also what changed nothing or moved, which else falls unjudged")


def _judging(script: Script, flags: argparse.Namespace, serving_type: str) -> Judging | None:
    """How edits are to be judged by the flags; None: not at all.

    Raises:
        ConfigError: the flags say how to judge, and name no judge.
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
    """Choose serving and input rows, by the flags of a script or by the arguments of its class.

    Args:
        script: the pipeline.
        serving_type: "local", "api" or "demo", as the user asks; None: `choose_serving` chooses.
        rows: path of the user's rows; None: the example rows.
        models: flag → the model that the user names; with `judge_model`, unless the judge has an address of its own.
        api_url: address that the user names; None: the environment decides.
        api_key: key that the user gives; None: the environment decides.

    Raises:
        ConfigError: no model is there for the user's rows; a model is neither a folder nor at an address; the example
            rows are missing.
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
        _warn_of_photographs(rows, Path.cwd())
    if not rows and script.example is not None:
        rows = str(default_input(script.example, script.file, demo=chosen == "demo"))
    return Choice(chosen, why, rows or "")


def choose_serving(
    wanted: str | None, api_url: str | None, api_key: str | None, *, models: Sequence[str] = ()
) -> tuple[str, str]:
    """Choose the serving of a pipeline; a download never starts unless the user asks for "local".

    Args:
        wanted: "local", "api" or "demo", as the user asks; None: the other arguments and the environment decide.
        api_url: address that the user names.
        api_key: key that the user gives.
        models: all models that a local run would load: folders, or names on the hub.

    Returns:
        "local", "api" or "demo", and the reason in words.
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
    """Check that each model that the user names is a folder, where no address could serve it.

    Raises:
        ConfigError: a model is no folder.
    """
    for flag, model in models.items():
        if model and not Path(model).is_dir():
            raise ConfigError(
                f"--{flag} {model}: there is no folder {Path(model).absolute()}, and no address that could serve it."
                " Put the path right; or give --api_url for a model that is served there, --serving_type local for one"
                " of the hub"
            )


@cache  # one warning: a script chooses by its flags, and then its class chooses again
def _warn_of_photographs(rows: str, folder: Path) -> None:
    """Warn once for each file of rows and working directory that the demo model cannot edit photographs."""
    log.warning("the demo model knows drawn shapes only: of the photographs in %s it makes smears", rows)


def _is_drawn(rows: Path) -> bool:
    """Whether rows are of the demo's own world; also True of a missing or empty file, which later code reports."""
    from dataflow.demo.truth import TRUTH

    return not rows.is_file() or TRUTH in next((row for _, row in read_rows(rows)), {TRUTH: ()})


def default_input(example: str, script: str, *, demo: bool = False) -> Path:
    """Find the example rows: beside the working directory, else beside the script.

    Args:
        example: folder below example_data/image_gen.
        script: `__file__` of the pipeline.
        demo: prefer the example rows of the demo's own world.

    Raises:
        ConfigError: neither file exists.
    """
    homes = [Path(home) / "example_data" / "image_gen" for home in ("..", Path(script).resolve().parent.parent)]
    places = [home / example / "prompts.jsonl" for home in homes]
    of_demo = [home / "demo" / example / "prompts.jsonl" for home in homes] if demo else []
    for place in (*of_demo, *places):
        if place.is_file():
            return place
    raise ConfigError(f"no example rows at {' nor '.join(map(str, places))}: run `dataflowmm init`, or give --input")

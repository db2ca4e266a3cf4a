"""The `dataflowmm` command."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import dataflow
from dataflow.cli.streams import close_streams, complain, open_streams
from dataflow.errors import DataflowError, Interrupted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Args:
        arguments: the words after `dataflowmm`; None: those of the command line.

    Returns:
        The exit code: 0; 1 for the user's mistake; 3 if rows failed, records failed or nothing can be promised; 130 for
        Ctrl-C.
    """
    open_streams()
    try:
        return _run(_parser().parse_args(arguments))
    except Interrupted as stop:
        complain(str(stop))
        return stop.exit_code
    except DataflowError as error:
        complain(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        complain("")
        return 130
    finally:
        close_streams()


_TAKE_OPTIONS = {
    "calibrate": "calibrate",
    "export": "export",
    "import": "import_",
    "instruct": "instruct",
    "judge": "judge",
    "view": "view",
}
"""Command → its module in this folder, whose `run_{command}` takes all flags and returns an exit code or None."""


def _run(options: argparse.Namespace) -> int:
    if options.command in ("view", "judge", "calibrate", "export"):
        from dataflow.utils.shards import check_merged

        check_merged(Path(options.cache_dir).expanduser())
    if options.command in _TAKE_OPTIONS:
        module = importlib.import_module(f"dataflow.cli.{_TAKE_OPTIONS[options.command]}")
        return getattr(module, f"run_{options.command}")(options) or 0
    if options.command == "init":
        from dataflow.cli.init import init

        init(Path.cwd(), force=options.force)
    elif options.command == "merge":
        from dataflow.cli.merge import run_merge

        run_merge(Path(options.cache_dir), mixed=options.mixed)
    elif options.command == "taxonomy":
        from dataflow.cli.taxonomy import show_taxonomy

        show_taxonomy(options.file, export=options.export)
    elif options.command == "status":
        from dataflow.cli.status import show_status

        return show_status(Path(options.cache_dir), watch=options.watch, as_json=options.json)
    else:
        from dataflow.cli.clean import clean

        clean(Path(options.cache_dir), yes=options.yes)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dataflowmm", description="Synthesise image-editing training data: input pictures, instruction, result."
    )
    parser.add_argument("--version", action="version", version=f"dataflow-mm {dataflow.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    init = commands.add_parser("init", help="copy the example pipelines and data into this folder")
    init.add_argument("--force", action="store_true", help="overwrite files that differ")
    status = commands.add_parser("status", help="show how far the steps of a cache directory are, and what they cost")
    status.add_argument("cache_dir", help="the cache_path of a FileStorage; a run may be working in it")
    status.add_argument("--watch", action="store_true", help="refresh every 2 s until the run ends")
    status.add_argument("--json", action="store_true", help="print JSON, one object for each look")
    merge = commands.add_parser("merge", help="make one cache directory of the shards of a run, once all are finished")
    merge.add_argument("cache_dir", help="the cache_path that the runs with --shard were given")
    merge.add_argument("--mixed", action="store_true", help="although shards were answered by different models")
    clean = commands.add_parser("clean", help="remove files of a cache directory that no step refers to")
    clean.add_argument("cache_dir", help="the cache_path of a FileStorage")
    clean.add_argument("--yes", action="store_true", help="do not ask before removing")
    _add_view(commands)
    _add_import(commands)
    _add_instruct(commands)
    _add_judge(commands)
    _add_calibrate(commands)
    _add_export(commands)
    taxonomy = commands.add_parser("taxonomy", help="show the kinds of edits that are written, or check your own")
    taxonomy.add_argument("file", nargs="?", type=Path, help="a taxonomy of your own (.yaml)")
    taxonomy.add_argument("--export", type=Path, metavar="PATH", help="write the shipped one there, to be edited")
    return parser


_COLUMNS = (
    ("image_key", "column of the pictures before"),
    ("conversation_key", "of the instruction"),
    ("output_key", "of the pictures after"),
    ("verdict_key", "of the verdicts"),
    ("mask_key", "of the mask"),
)
"""Name of a flag, which is a parameter of `write_contact_sheet` → which column it names."""


def _add_view(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    view = commands.add_parser("view", help="look at the rows of a cache directory in the browser")
    add = view.add_argument
    add("cache_dir", help="the cache_path of a FileStorage; a run may be working in it")
    add("--step", type=int, help="the step that is shown first, default: the one that was written last")
    add("--port", type=int, default=0, help="on this machine only, default: any that is free")
    add("--labels", type=Path, default=Path("labels.jsonl"), help="what you say of edits goes there (%(default)s)")
    add("--label", type=int, nargs="?", const=100, metavar="N", help="begin with labelling N edits (%(const)s)")
    add("--threshold", type=float, default=7.0, help="four in five of these reach it on each axis (%(default)s)")
    add("--uniform", action="store_true", help="draw them without regard to a threshold, to look for a lower one")
    add("--seed", type=int, default=0, help="another one draws others (%(default)s)")
    add("--out", type=Path, metavar="HTML", help="write one file to send to somebody: rows, or with --label a sample")
    add("--most", type=int, default=200, metavar="N", help="rows of that file, evenly spaced over all (%(default)s)")
    add("--no_browser", action="store_true", help="print the address and open nothing")
    for name, what in _COLUMNS:
        add(f"--{name}", metavar="COLUMN", default="", help=f"{what}; default: found by what the columns hold")


class _Joined(argparse.Action):
    """Joins the values of a flag that is given several times by commas, so that no value is lost silently."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, values if before == self.default else f"{before},{values}")


def _add_import(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    intake = commands.add_parser("import", help="make rows of folders, tables and archives; their pictures stored once")
    add = intake.add_argument
    kinds = "a folder, files ('train-*.parquet', '{000..012}.tar'), hf:OWNER/NAME:SPLIT, or s3://BUCKET/KEY"
    add("source", metavar="SOURCE", help=kinds)
    add("others", nargs="*", help=argparse.SUPPRESS)  # what a shell makes of a pattern
    add("--out", required=True, metavar="ROWS", help="the file of rows to make (.jsonl); failed rows go beside it")
    add(
        "--columns",
        action=_Joined,
        default="",
        metavar="COLUMN=FIELD,...",
        help="such as images=source,instruction=edit.text",
    )
    add("--kind", default="", help="of the source, default: by its name; or package.module:VALUE of your own")
    add("--store", metavar="DIR", help="where pictures lie by content, default: NAME.pictures beside ROWS")
    add("--copy", action="store_true", help="store also pictures that are files here, which else stay where they are")
    add("--root", metavar="DIR", help="or address, where relative paths of pictures begin, default: beside SOURCE")
    add("--revision", default="", help="of a hub's data set, default: that of the rows in ROWS, else the newest")
    hosts = "own servers from which pictures are fetched, such as 10.0.0.5:9000; others must be public"
    add("--picture_hosts", nargs="+", default=(), metavar="HOST", help=hosts)
    add("--skip_dead", action="store_true", help="do not ask again for addresses that gave nothing before")
    add("--limit", type=int, metavar="N", help="only the first N records")
    add("--dry_run", action="store_true", help="show the first rows, and what is wrong with others; write nothing")


def _add_instruct(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    instruct = commands.add_parser("instruct", help="write instructions for photographs; says first what that costs")
    add = instruct.add_argument
    add("rows", metavar="ROWS", help="rows with `images`, such as `dataflowmm import` makes")
    add("--model", required=True, help="name of the vision-language model at its address")
    add("--url", help="OpenAI-compatible address, default: the environment's DF_BASE_URL")
    add("--cache_path", metavar="DIR", help="of journal and result, default: NAME.instructed beside ROWS")
    add("--languages", action=_Joined, default="en,zh", help="of the instructions (%(default)s)")
    add("--per_image", type=int, default=1, metavar="N", help="rows of a picture, of other edits each (%(default)s)")
    add("--seed", type=int, default=0, help="another one offers other edits (%(default)s)")
    add("--limit", type=int, metavar="N", help="only the first N rows")
    add("--max_cost", type=float, help="most to spend in cache_path, default: DF_MAX_COST, or no limit")
    add("--prices", help="a price file, for models that the shipped table lacks or prices otherwise")
    add("--yes", action="store_true", help="write them; without it nothing is sent")


def _add_judge(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    judge = commands.add_parser("judge", help="judge the edits of a cache directory; says first what that costs")
    add = judge.add_argument
    add("cache_dir", help="the cache_path of a FileStorage")
    add("--judge_model", required=True, help="name of the vision-language model at its address")
    add("--judge_url", help="OpenAI-compatible address, default: the environment's DF_BASE_URL")
    add("--rows", type=Path, help="the step's file, default: the newest one that has edits")
    add("--threshold", type=float, default=7.0, help="the least number, 0 to 10, that each axis needs (%(default)s)")
    add("--thresholds", type=Path, metavar="FILE", help="a thresholds.json of this judge, or the folder that it is in")
    add("--prefix", default="judged", help="of the file that is written; give another judge another (%(default)s)")
    add("--max_cost", type=float, help="most to spend in cache_dir, default: DF_MAX_COST, or no limit")
    add("--prices", help="a price file, for models that the shipped table lacks or prices otherwise")
    add("--no_canaries", action="store_true", help="do not ask first about pairs with known answers")
    add("--overwrite", action="store_true", help="judge also rows that have a verdict already")
    add("--yes", action="store_true", help="judge; without it nothing is sent")


def _add_calibrate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    calibrate = commands.add_parser("calibrate", help="find the threshold at which a judge keeps a promise")
    add = calibrate.add_argument
    add("cache_dir", help="the cache_path of a FileStorage")
    add("labels", type=Path, help="the labels.jsonl of its edits")
    add("--precision", type=float, default=0.9, help="the share of accepted edits that is to be good (%(default)s)")
    add("--confidence", type=float, default=0.9, help="share of samples that break no promise (%(default)s)")
    add("--out", type=Path, metavar="FILE", help="to write, default: thresholds.json in cache_dir")
    add("--rows", metavar="FILE", help="with the verdicts, or its prefix; default: the newest that has some")
    add("--judges", nargs=2, metavar=("A", "B"), help="two files or prefixes: which judge deserves the money?")
    add("--output_key", metavar="COLUMN", default="edited_images", help="of the edits (%(default)s)")
    add("--verdict_key", metavar="COLUMN", default="verdict", help="of the verdicts (%(default)s)")


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    export = commands.add_parser("export", help="write the accepted rows of a cache directory as trainers read them")
    add = export.add_argument
    add("cache_dir", help="the cache_path of a FileStorage, or a file of rows in it")
    add(
        "--to",
        action=_Joined,
        required=True,
        metavar="FORMAT[,FORMAT]",
        help="names of formats, or package.module:VALUE of your own",
    )
    add("--out", required=True, metavar="DIR", help="the folder to make; it is there whole or not at all")
    add("--step", type=int, help="number of the step, default: the newest one with edits")
    add("--where", metavar="EXPR", help="only rows for which this holds, such as \"score >= 7 and sub_type != 'zoom'\"")
    add(
        "--split",
        action=_Joined,
        metavar="NAME=SHARE",
        help="splits beside train, such as test=2%%; edits of a picture lie in one",
    )
    add(
        "--mix",
        action=_Joined,
        metavar="NAME=PART",
        help="such as add=30,style=20: as many rows of these as their parts allow",
    )
    add(
        "--language",
        action=_Joined,
        metavar="en,zh",
        help="of the instructions, the first one first; default: as the rows have them",
    )
    add("--sizes", choices=("refuse", "skip", "pad"), default="refuse", help="sources of another shape than the result")
    add("--skip", action="store_true", help="leave out rows that a check refuses, instead of stopping")
    add("--rejected", action="store_true", help="also rows that a judge rejected")
    add("--labels", metavar="FILE", help="labels.jsonl of the page: what was accepted or rejected by hand goes before")
    add("--dry_run", action="store_true", help="check only; nothing is written")


if __name__ == "__main__":
    sys.exit(main())

"""The `dataflowmm` command."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import dataflow
from dataflow.cli.streams import close_streams, complain, open_streams
from dataflow.errors import DataflowError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code: 0, 1 for the user's mistake, 130 for Ctrl-C."""
    open_streams()
    try:
        return _run(_parser().parse_args(arguments))
    except DataflowError as error:
        complain(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        complain("")
        return 130
    finally:
        close_streams()


def _run(options: argparse.Namespace) -> int:
    if options.command == "init":
        from dataflow.cli.init import init

        init(Path.cwd(), force=options.force)
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
    clean = commands.add_parser("clean", help="remove files of a cache directory that no step refers to")
    clean.add_argument("cache_dir", help="the cache_path of a FileStorage")
    clean.add_argument("--yes", action="store_true", help="do not ask before removing")
    taxonomy = commands.add_parser("taxonomy", help="show the kinds of edits that are written, or check your own")
    taxonomy.add_argument("file", nargs="?", type=Path, help="a taxonomy of your own (.yaml)")
    taxonomy.add_argument("--export", type=Path, metavar="PATH", help="write the shipped one there, to be edited")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""`dataflowmm view`: opens the page of a cache directory in the browser, while a run works or after."""

import argparse
import threading
import webbrowser
from contextlib import closing, suppress
from pathlib import Path

from dataflow.cli.streams import say
from dataflow.core.words import count_of


def run_view(options: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C, or write it into one file.

    Raises:
        ConfigError: there is no such directory, step or row, the extra is missing, or the port is taken.
    """
    from dataflow.view.catalogue import choose_step

    folder = Path(options.cache_dir).expanduser()
    step = choose_step(folder, options.step)
    if options.out is not None:
        _write(folder, step, options)
    else:
        _serve(folder, step, options)


def _write(folder: Path, step: str, options: argparse.Namespace) -> None:
    from dataflow.view.catalogue import Catalogue
    from dataflow.view.labelling import Draw
    from dataflow.view.report import write_report, write_sample

    with closing(Catalogue(folder, step)) as catalogue:
        catalogue.read_all()
        if options.label:
            how = Draw(options.label, options.threshold, options.uniform, options.seed)
            what = count_of(
                write_sample(catalogue, options.out, how), "edit to be labelled", "edits to be labelled, some twice"
            )
        else:
            what = count_of(write_report(catalogue, options.out, most=options.most), "row")
    say(f"{options.out}: {what}, {options.out.stat().st_size / 1e6:.1f} MB")


def _serve(folder: Path, step: str, options: argparse.Namespace) -> None:
    from dataflow.view.server import serving

    with serving(folder, step, labels=options.labels, port=options.port) as page:
        address = page.address
        if options.label:
            uniform = "&uniform=yes" if options.uniform else ""
            address += f"&view=label&count={options.label}&threshold={options.threshold:g}&seed={options.seed}{uniform}"
        say(address)
        say(f"Ctrl-C ends it. Nothing in {folder} is changed; what you say of edits goes into {options.labels}.")
        if not options.no_browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        with suppress(KeyboardInterrupt):  # the way in which it ends
            page.run()

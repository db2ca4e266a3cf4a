"""`dataflowmm view`: opens the page of a cache directory in the browser, during a run or after it."""

import argparse
import os
import sys
import threading
import webbrowser
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.cli.streams import say
from dataflow.core.words import count_of
from dataflow.errors import ConfigError
from dataflow.utils.disk_retry import not_stored
from dataflow.utils.files import temporary_beside

if TYPE_CHECKING:
    from dataflow.view.shown import ShownColumns


def run_view(options: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C, or write the page into one file.

    Raises:
        ConfigError: there is no such directory, step, column or row; the extra `view` is missing; the port is taken.
        NotStored: the disk does not take the file.
    """
    from dataflow.view.catalogue import check_columns, choose_step

    folder = Path(options.cache_dir).expanduser()
    try:
        step = choose_step(folder, options.step)
        check_columns(folder, step, filter(None, _named(options)))
    except OSError as error:
        raise ConfigError(f"{error.filename or folder} cannot be read ({error.strerror})") from None
    if options.label is not None and options.label < 1:
        raise ConfigError(f"--label {options.label}: give at least 1")
    if options.out is not None:
        _write(folder, step, options)
    else:
        _serve(folder, step, options)


def _columns(options: argparse.Namespace) -> "ShownColumns":
    from dataflow.judging.verdict import VERDICT
    from dataflow.view.shown import ShownColumns

    images, conversation, edits, verdict, mask = _named(options)
    return ShownColumns(images, conversation, edits, verdict or VERDICT, mask)


def _named(options: argparse.Namespace) -> tuple[str, str, str, str, str]:
    """The names of the columns of pictures, instruction, edits, verdicts and mask; "": the flags give none."""
    return options.image_key, options.conversation_key, options.output_key, options.verdict_key, options.mask_key


def _write(folder: Path, step: str, options: argparse.Namespace) -> None:
    from dataflow.view.catalogue import Catalogue
    from dataflow.view.labelling import SampleOptions
    from dataflow.view.report import write_report, write_sample

    if options.out.is_dir():
        raise ConfigError(f"{options.out} is a folder: name the file to write, such as {options.out / 'report.html'}")
    try:
        with temporary_beside(options.out):  # so a file that cannot be written stops the command before the work
            pass
        with closing(Catalogue(folder, step, _columns(options))) as catalogue:
            catalogue.read_all()
            if options.label:
                sample_options = SampleOptions(options.label, options.threshold, options.uniform, options.seed)
                count = write_sample(catalogue, options.out, sample_options)
                what = count_of(count, "edit to be labelled", "edits to be labelled, some twice")
            else:
                what = count_of(write_report(catalogue, options.out, most=options.most), "row")
    except OSError as error:
        raise not_stored(error, options.out) from error
    say(f"{options.out}: {what}, {options.out.stat().st_size / 1e6:.1f} MB")


def _serve(folder: Path, step: str, options: argparse.Namespace) -> None:
    from dataflow.view.server import serve_page

    with serve_page(folder, step, labels=options.labels, given=_columns(options), port=options.port) as page:
        address = page.address
        if options.label:
            uniform = "&uniform=yes" if options.uniform else ""
            address += f"&view=label&count={options.label}&threshold={options.threshold:g}&seed={options.seed}{uniform}"
        say(address)
        say(f"Ctrl-C ends it. Nothing in {folder} is changed.\nWhat you say of edits goes into {options.labels}.")
        if not _has_browser():
            say(f"On another machine, first: ssh -L {page.port}:127.0.0.1:{page.port} {os.uname().nodename}")
        elif not options.no_browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        with suppress(KeyboardInterrupt):  # Ctrl-C is how the command ends
            page.run()


def _has_browser() -> bool:
    """Whether a browser on this machine opens in a window that the user sees, and not in the terminal."""
    if os.environ.get("BROWSER"):  # an editor sets this, and opens the page on its user's own machine
        return True
    has_windows = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return has_windows and "SSH_CONNECTION" not in os.environ

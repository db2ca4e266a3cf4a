"""`dataflowmm view`: opens the page of a cache directory in the browser, while a run works or after."""

import argparse
import threading
import webbrowser
from contextlib import suppress
from pathlib import Path

from dataflow.cli.streams import say


def run_view(options: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        ConfigError: there is no such directory or step, the extra is missing, or the port is taken.
    """
    from dataflow.view.catalogue import choose_step
    from dataflow.view.server import serving

    folder = Path(options.cache_dir).expanduser()
    step = choose_step(folder, options.step)
    with serving(folder, step, labels=options.labels, port=options.port) as page:
        say(page.address)
        say(f"Ctrl-C ends it. Nothing in {folder} is changed; what you say of edits goes into {options.labels}.")
        if not options.no_browser:
            threading.Thread(target=webbrowser.open, args=(page.address,), daemon=True).start()
        with suppress(KeyboardInterrupt):  # the way in which it ends
            page.run()

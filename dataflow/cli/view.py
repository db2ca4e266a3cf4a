"""`dataflowmm view`: opens the page of a cache directory in the browser, while a run works or after."""

import threading
import webbrowser
from contextlib import suppress
from pathlib import Path

from dataflow.cli.streams import say


def view(cache_dir: Path, *, step: int | None = None, port: int = 0, browser: bool = True) -> int:
    """Serve the page until Ctrl-C; returns the exit code.

    Args:
        cache_dir: the `cache_path` of a FileStorage.
        step: number of the step that is shown first; None: the one that was written last.
        port: on loopback; 0: any that is free.
        browser: open it there.

    Raises:
        ConfigError: there is no such directory or step, the extra is missing, or the port is taken.
    """
    from dataflow.view.catalogue import choose_step
    from dataflow.view.server import serving

    folder = cache_dir.expanduser()
    with serving(folder, choose_step(folder, step), port=port) as page:
        say(f"{page.address}\nCtrl-C ends it. Nothing in {cache_dir} is changed.")
        if browser:
            threading.Thread(target=webbrowser.open, args=(page.address,), daemon=True).start()
        with suppress(KeyboardInterrupt):  # the way in which it ends
            page.run()
    return 0

"""Whether this process is a notebook's, and the words in messages that depend on it."""

import sys


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which IPython knows."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def stop_key() -> str:
    """The name of what a user presses to stop a run."""
    return "the stop button" if in_notebook() else "Ctrl-C"


def same_again() -> str:
    """The name of what a user runs again to go on."""
    return "the same cell" if in_notebook() else "the same command"

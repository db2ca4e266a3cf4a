"""Whether people sit before a notebook, and what they press and run again there."""

import sys


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def stop_key() -> str:
    """What stops a run."""
    return "the stop button" if in_notebook() else "Ctrl-C"


def same_again() -> str:
    """What to run again."""
    return "the same cell" if in_notebook() else "the same command"

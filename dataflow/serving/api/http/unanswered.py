"""Says how an attempt without a reply ended, by the exception that ended it."""

import ssl

from dataflow.serving.api.failures.attempts import Attempt
from dataflow.utils.open_files import OUT_OF_FILES, more_files

_MAX_CAUSES = 10  # errors in a chain, each the cause of the next


def unanswered(error: BaseException) -> Attempt:
    """The attempt that an exception ended: "unconnected", "unsent", or "lost", which the server may have worked on.

    Args:
        error: of httpx2, or one of ssl that httpx2 let through.
    """
    import httpx2

    if (refused := _out_of_files(error)) is not None:
        return Attempt("no_file", text=f"{refused.strerror}; {more_files()}")
    text = str(error) or type(error).__name__
    never = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError, ssl.SSLError)
    if isinstance(error, never):
        return Attempt("unconnected", text=text)
    # The server has not received the whole request, so it cannot have worked on it, and nothing is paid.
    if isinstance(error, httpx2.WriteError | httpx2.WriteTimeout):
        return Attempt("unsent", text=text)
    return Attempt("lost", text=text)


def _out_of_files(error: BaseException | None) -> OSError | None:
    """The error in the chain that says that this process may open no more files; None: the chain has none."""
    for _ in range(_MAX_CAUSES):
        if isinstance(error, OSError) and error.errno in OUT_OF_FILES:
            return error
        error = error and (error.__cause__ or error.__context__)
    return None

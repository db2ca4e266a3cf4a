"""How an attempt ended that got no reply, by the exception that ended it."""

import ssl

from dataflow.serving.api.failures.attempts import Attempt
from dataflow.utils.open_files import OUT_OF_FILES, more_files

_DEEPEST = 10  # errors that stand behind each other


def unanswered(error: BaseException) -> Attempt:
    """Whether the request was certainly not received, not received whole, or may have been worked on.

    Args:
        error: of httpx2, or one of ssl's that passed through it.
    """
    import httpx2

    if (refused := _out_of_files(error)) is not None:
        return Attempt("no_file", text=f"{refused.strerror}; {more_files()}")
    text = str(error) or type(error).__name__
    never = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError, ssl.SSLError)
    if isinstance(error, never):
        return Attempt("unconnected", text=text)
    # A request that was not sent whole cannot have been understood, let alone paid.
    if isinstance(error, httpx2.WriteError | httpx2.WriteTimeout):
        return Attempt("unsent", text=text)
    return Attempt("lost", text=text)


def _out_of_files(error: BaseException | None) -> OSError | None:
    """The error of this process that stands behind one of the network, if there is one."""
    for _ in range(_DEEPEST):
        if isinstance(error, OSError) and error.errno in OUT_OF_FILES:
            return error
        error = error and (error.__cause__ or error.__context__)
    return None

"""How an attempt ended that got no reply, by the exception that ended it."""

import ssl

from dataflow.serving.api.failures.attempts import Attempt


def unanswered(error: BaseException) -> Attempt:
    """Whether the request was certainly not received, not received whole, or may have been worked on.

    Args:
        error: of httpx2, or one of ssl's that passed through it.
    """
    import httpx2

    text = str(error) or type(error).__name__
    never = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError, ssl.SSLError)
    if isinstance(error, never):
        return Attempt("unconnected", text=text)
    # A request that was not sent whole cannot have been understood, let alone paid.
    if isinstance(error, httpx2.WriteError | httpx2.WriteTimeout):
        return Attempt("unsent", text=text)
    return Attempt("lost", text=text)

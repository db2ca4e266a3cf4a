import errno
import os
import ssl

import httpx2
import pytest

from dataflow.serving.api.failures.attempts import Target
from dataflow.serving.api.failures.classify import classify
from dataflow.serving.api.http.unanswered import unanswered


@pytest.mark.parametrize(
    ("error", "on"),
    [
        (httpx2.ConnectError("refused"), "unconnected"),
        (httpx2.ConnectTimeout("slow"), "unconnected"),
        (httpx2.PoolTimeout("full"), "unconnected"),
        (httpx2.ProxyError("503"), "unconnected"),
        (ssl.SSLError(1, "no certificate"), "unconnected"),
        (httpx2.WriteError("broken pipe"), "unsent"),
        (httpx2.WriteTimeout("slow"), "unsent"),
        (httpx2.ReadError("reset"), "lost"),
        (httpx2.ReadTimeout("slow"), "lost"),
        (httpx2.RemoteProtocolError("no reply"), "lost"),
    ],
)
def test_only_what_a_server_may_have_worked_on_counts_as_lost(error: Exception, on: str) -> None:
    assert (unanswered(error).ending, unanswered(error).text) == (on, str(error))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_process_that_may_open_no_more_files_does_not_blame_the_address(number: int) -> None:
    error = httpx2.ConnectError("all connection attempts failed")
    error.__context__ = OSError("all failed")
    error.__context__.__cause__ = OSError(number, os.strerror(number))
    attempt = unanswered(error)
    failure = classify(attempt, Target("https://h/v1", "/chat/completions", "m", "K"))
    assert (failure.kind, failure.outage, failure.maybe_paid) == ("wait", False, False)
    assert failure.reason.startswith(
        f"no connection to h: {os.strerror(number)}; allow more open files (ulimit -n, now "
    )


def test_an_exception_without_words_is_named_by_its_class() -> None:
    assert unanswered(httpx2.ReadError("")).text == "ReadError"

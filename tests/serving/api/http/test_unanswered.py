import ssl

import httpx2
import pytest

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
    assert (unanswered(error).on, unanswered(error).text) == (on, str(error))


def test_an_exception_without_words_is_named_by_its_class() -> None:
    assert unanswered(httpx2.ReadError("")).text == "ReadError"

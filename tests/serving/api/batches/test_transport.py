"""HTTP for batches: what comes back of small requests, and which files arrive whole."""

import asyncio
import io
from collections.abc import Awaitable, Callable

import pytest

from dataflow.errors import AnswerError
from dataflow.serving.api.batches.transport import Transport
from dataflow.serving.api.failures.attempts import Target
from tests.kit.failing import fails
from tests.kit.raw_server import Raw, http_reply, raw_server


def with_transport(raw: Raw, act: Callable[[Transport], Awaitable[None]]) -> None:
    """Act on a transport to a server that sends this for every request to `/v1/it`."""

    async def run() -> None:
        async with raw_server({"/v1/it": raw}) as address:
            transport = Transport(f"{address}/v1", {}, lambda path: Target(f"{address}/v1", path, "m", "DF_API_KEY"))
            try:
                await act(transport)
            finally:
                await transport.close()

    asyncio.run(run())


def test_a_reply_is_the_object_in_it() -> None:
    async def act(transport: Transport) -> None:
        assert await transport.ask("GET", "/it") == {"id": "batch-1"}
        assert await transport.ask("GET", f"{transport.address}/it") == {"id": "batch-1"}, "a whole URL goes as it is"

    with_transport(http_reply(b'{"id": "batch-1"}'), act)


@pytest.mark.parametrize(
    ("raw", "kind", "words"),
    [
        (http_reply(b"<html>hello</html>"), "retry", "a web page instead of an answer"),
        (http_reply(b"hello"), "retry", "not JSON"),
        (http_reply(b'{"error": {"message": "no"}}', 401), "fatal", "wants a key"),
        (http_reply(b"{", length=9), "retry", "no answer from"),
    ],
)
def test_a_reply_without_an_object_is_classified_as_any_other(raw: bytes, kind: str, words: str) -> None:
    async def act(transport: Transport) -> None:
        with pytest.raises(AnswerError, match=words) as caught:
            await transport.ask("GET", "/it")
        assert caught.value.failure.kind == kind

    with_transport(raw, act)


@pytest.mark.parametrize("body", [b"one\ntwo", b"one\ntwo\n"])
def test_a_file_is_appended_and_ends_with_a_line_break(body: bytes) -> None:
    async def act(transport: Transport) -> None:
        into = io.BytesIO(b"zero\n")
        assert await transport.download("/it", into)
        assert into.getvalue() == b"zero\none\ntwo\n"

    with_transport(http_reply(body), act)


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_gone_is_no_failure(status: int) -> None:
    async def act(transport: Transport) -> None:
        into = io.BytesIO(b"zero\n")
        assert not await transport.download("/it", into)
        assert into.getvalue() == b"zero\n"

    with_transport(http_reply(b"gone", status), act)


def test_of_a_file_that_breaks_off_nothing_stays() -> None:
    async def act(transport: Transport) -> None:
        into = io.BytesIO(b"zero\n")
        with fails("retry", match="no answer from"):
            await transport.download("/it", into)
        assert into.getvalue() == b"zero\n"

    with_transport(http_reply(b"one\ntw", length=100), act)


@pytest.mark.parametrize("url", ["", "http://localhost:9/up", "https://127.0.0.1/up"])
def test_a_file_goes_to_no_other_host(url: str) -> None:
    async def act(transport: Transport) -> None:
        with fails("fatal", match="batch=True does not work there"):
            await transport.put_file(url, io.BytesIO(b"x"), 1, {})

    with_transport(None, act)

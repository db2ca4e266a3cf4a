"""Short GETs: whatever a server does, the end of each is a value."""

import asyncio
import socket
from collections.abc import Mapping

import pytest

from dataflow.serving.api.http.get import MAX_BYTES, Found, get_all
from tests.kit.raw_server import Raw, http_reply, raw_server


def find(replies: Mapping[str, Raw], *, timeout: float = 20.0) -> list[Found]:
    async def run() -> list[Found]:
        async with raw_server(replies) as address:
            return await get_all([f"{address}{path}" for path in replies], {"X-Key": "k"}, timeout=timeout)

    return asyncio.run(run())


def test_several_paths_are_found_in_their_order() -> None:
    replies = {"/a": http_reply(b"one"), "/b": http_reply(b"no", 404), "/c": http_reply(b"three")}
    assert find(replies) == [Found(200, b"one"), Found(404), Found(200, b"three")]


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"", Found(cut=True)),
        (http_reply(b"half", length=100), Found(cut=True)),
        (b"what is this\r\n\r\n", Found(cut=True)),
        (http_reply(b"x" * (MAX_BYTES + 1)), Found(200)),
    ],
    ids=["nothing", "half", "no HTTP", "too large"],
)
def test_a_reply_that_is_not_whole_has_no_body(raw: bytes, found: Found) -> None:
    assert find({"/": raw}) == [found]


def test_a_server_that_is_slow_is_late_and_one_without_a_connection_is_not() -> None:
    assert find({"/": None}, timeout=0.1) == [Found(late=True)]
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert asyncio.run(get_all([address], {}, timeout=5.0)) == [Found()]


def test_no_url_is_no_request() -> None:
    assert asyncio.run(get_all([], {}, timeout=1.0)) == []

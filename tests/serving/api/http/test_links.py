"""How many pictures a reply may name, and of how many bytes."""

import asyncio

from dataflow.errors import Failure
from dataflow.serving.api.http.fetch import PictureFetcher
from dataflow.serving.api.http.links import MAX_PICTURES, fetch_linked
from dataflow.serving.dialects.reply import UrlRef
from tests.kit.loopback import LoopbackServer


def fetch(server, urls):
    async def run():
        fetcher = PictureFetcher(server.url)
        try:
            return await fetch_linked(fetcher, [UrlRef(url) for url in urls])
        finally:
            await fetcher.close()

    return asyncio.run(run())


def test_of_many_named_pictures_the_last_ten_are_fetched():
    with LoopbackServer() as server:
        urls = [server.publish(b"%d" % number) for number in range(60)]
        assert fetch(server, urls) == [b"%d" % number for number in range(50, 60)]
        assert len(server.fetched) == MAX_PICTURES


def test_named_pictures_share_one_bound_of_bytes():
    with LoopbackServer() as server:
        urls = [server.publish(bytes([number]) * (30 << 20)) for number in range(4)]
        found = fetch(server, urls)
        assert len(server.fetched) == 3
    assert isinstance(found, Failure)
    assert (found.kind, found.maybe_paid) == ("failed", True)
    assert str(found) == "the reply names pictures of more than 64 MiB"

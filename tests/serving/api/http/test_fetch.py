import asyncio
import socket
import zlib
from collections.abc import Iterator

import pytest

from dataflow.errors import AnswerError, ConfigError
from dataflow.serving.api.http.fetch import PictureFetcher
from tests.kit.drawing import draw_png, mark_of
from tests.kit.failing import fails
from tests.kit.loopback import LoopbackServer

RED = draw_png(mark_of("red"))


def fetch(url, own="http://gateway.example/v1"):
    async def run():
        fetcher = PictureFetcher(own)
        try:
            return await fetcher.fetch(url)
        finally:
            await fetcher.close()

    return asyncio.run(run())


def test_the_gateways_own_host_and_port_may_be_private():
    with LoopbackServer() as server:
        url = server.publish(RED)
        assert fetch(url, own=server.url) == RED
        with fails("refused", match="not a public address"):
            fetch(url, own="http://127.0.0.1:1/v1")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x.png",
        "http://localhost/x.png",
        "http://2130706433/x.png",
        "http://[::1]/x.png",
        "http://[::ffff:127.0.0.1]/x.png",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/x.png",
        "http://0.0.0.0/x.png",
        "http://[64:ff9b::7f00:1]/x.png",
        "http://0177.0.0.1/x.png",
        "http://0x7f.0.0.1/x.png",
        "http://127.1/x.png",
        "http://example.com@127.0.0.1/x.png",
        "http://[::ffff:7f00:1]/x.png",
        "http://[::ffff:169.254.169.254]/x.png",
        "http://[::]/x.png",
        "http://[::7f00:1]/x.png",
        "http://[fe80::1]/x.png",
        "http://[fd00::1]/x.png",
        "http://[fec0::1]/x.png",
        "http://[2002:7f00:1::1]/x.png",
        "http://[2001:0:7f00:1::1]/x.png",
        "http://[64:ff9b:1::7f00:1]/x.png",
        "http://[ff02::1]/x.png",
        "http://100.64.0.1/x.png",
        "http://192.168.1.1/x.png",
        "http://172.16.0.1/x.png",
        "http://168.63.129.16/x.png",
        "http://224.0.0.1/x.png",
        "http://255.255.255.255/x.png",
        "file://localhost/etc/passwd",
        "ftp://127.0.0.1/x.png",
        "gopher://127.0.0.1/x.png",
        "data:image/png;base64,AAAA",
        "file:///etc/passwd",
        "http:///x.png",
    ],
)
def test_addresses_of_our_own_network_are_refused(url):
    with fails("refused"):
        fetch(url)


def test_a_redirect_is_checked_again():
    with LoopbackServer() as server:
        server.redirects["/inside"] = "http://127.0.0.1:1/x.png"
        with fails("refused", match="not a public address"):
            fetch(server.url + "/inside", own=server.url)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://169.254.169.254/", "//[::1]:1/x.png", "ftp://h/x"])
def test_a_redirect_leaves_neither_http_nor_the_public_net(target):
    with LoopbackServer() as server:
        server.redirects["/inside"] = target
        with fails("refused"):
            fetch(server.url + "/inside", own=server.url)


def test_three_redirects_are_followed_and_a_fourth_is_not():
    with LoopbackServer() as server:
        server.redirects["/r3"] = server.publish(RED)
        for n in (2, 1, 0):
            server.redirects[f"/r{n}"] = f"{server.url}/r{n + 1}"
        assert fetch(server.url + "/r1", own=server.url) == RED
        with fails("retry", match="too many redirects"):
            fetch(server.url + "/r0", own=server.url)
        assert len(server.fetched) == 4 + 4


def test_redirects_end():
    with LoopbackServer() as server:
        server.redirects["/round"] = server.url + "/round"
        with fails("retry", match="too many redirects"):
            fetch(server.url + "/round", own=server.url)


def test_a_missing_picture_may_have_been_paid():
    with LoopbackServer() as server, fails("retry", match="HTTP 404") as caught:
        fetch(server.url + "/picture/none", own=server.url)
    assert (caught.value.failure.maybe_paid, caught.value.failure.retries) == (True, 0)


def test_behind_a_proxy_the_proxy_dials(monkeypatch):
    with LoopbackServer() as server:
        name = server.publish(RED).rpartition("/")[2]
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
        assert fetch(f"http://pictures.invalid/{name}") == RED
        monkeypatch.setenv("no_proxy", "pictures.invalid")
        with fails("retry"):
            fetch(f"http://pictures.invalid/{name}")
        with fails("refused"):
            fetch("http://127.0.0.1:1/x.png")


def fetch_from(head: str, parts: Iterator[bytes]) -> tuple[bytes, int]:
    """What the fetcher makes of a server that sends these parts, or its failure; and how many bytes it could send."""

    async def run():
        sent = 0

        async def answer(reader, writer):
            nonlocal sent
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode())
            try:
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    sent += len(part)
            except ConnectionError:
                pass
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        own = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        fetcher = PictureFetcher(own)
        try:
            return await fetcher.fetch(f"{own}/x.png"), sent
        except AnswerError as error:
            return f"{error.failure.kind}: {error}".encode(), sent
        finally:
            await fetcher.close()
            server.close()

    return asyncio.run(run())


def endless():
    while True:
        yield b"\0" * (1 << 20)


def test_a_body_without_end_is_cut_off_at_64_mib():
    said, sent = fetch_from("Content-Type: image/png", endless())
    assert said.startswith(b"retry: ")
    assert b"more than 64 MiB" in said
    assert sent < 80 << 20


def test_a_body_that_unpacks_to_more_than_64_mib_is_cut_off():
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    packed = b"".join([*(packer.compress(b"\0" * (1 << 20)) for _ in range(80)), packer.flush()])
    assert len(packed) < 1 << 20
    head = f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}"
    said, _ = fetch_from(head, iter([packed]))
    assert said.startswith(b"retry: ")
    assert b"more than 64 MiB" in said


class Rebinding(asyncio.SelectorEventLoop):
    """Names resolve to a public address the first time and to this machine afterwards; nothing is dialled."""

    def __init__(self):
        super().__init__()
        self.asked, self.dialled = [], []

    async def getaddrinfo(self, host, port, **options):
        name = host.decode() if isinstance(host, bytes) else host
        if name[:1].isdigit():
            return await super().getaddrinfo(host, port, **options)
        self.asked.append(name)
        address = "93.184.215.14" if len(self.asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async def sock_connect(self, sock, address):
        self.dialled.append(address[0])
        raise ConnectionRefusedError


def test_a_name_that_points_elsewhere_the_second_time_is_asked_for_once():
    loop = Rebinding()

    async def run():
        fetcher = PictureFetcher("http://gateway.example/v1")
        with fails("retry"):
            await fetcher.fetch("http://rebind.example/x.png")
        await fetcher.close()

    try:
        loop.run_until_complete(run())
    finally:
        loop.close()
    assert loop.asked == ["rebind.example"]
    assert set(loop.dialled) == {"93.184.215.14"}


def test_one_private_address_among_public_ones_is_enough_to_refuse():
    class Mixed(Rebinding):
        async def getaddrinfo(self, host, port, **options):
            found = [("93.184.215.14", port), ("10.0.0.1", port)]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in found]

    async def run():
        fetcher = PictureFetcher("http://gateway.example/v1")
        with fails("refused", match="not a public address"):
            await fetcher.fetch("http://mixed.example/x.png")
        await fetcher.close()

    loop = Mixed()
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()
    assert loop.dialled == []


def resolving(names):
    """An event loop of which these names have these addresses; the rest is looked up as ever."""

    class Resolving(asyncio.SelectorEventLoop):
        async def getaddrinfo(self, host, port, **options):
            name = host.decode() if isinstance(host, bytes) else host
            return await super().getaddrinfo(names.get(name, host), port, **options)

    return Resolving


def fetch_where(names, url, *, own="http://gateway.example/v1", hosts=()):
    async def run():
        fetcher = PictureFetcher(own, hosts)
        try:
            return await fetcher.fetch(url)
        finally:
            await fetcher.close()

    with asyncio.Runner(loop_factory=resolving(names)) as runner:
        return runner.run(run())


class TwoAddresses(asyncio.SelectorEventLoop):
    """Every name has an address of IPv6, where nobody listens, and one of IPv4."""

    async def getaddrinfo(self, host, port, **options):
        name = host.decode() if isinstance(host, bytes) else host
        if ":" in name or name[:1].isdigit():
            return await super().getaddrinfo(host, port, **options)
        six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0))
        return [six, (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.mark.parametrize(
    ("own", "host", "named"),
    [("localhost", "localhost", ()), ("127.0.0.1", "inner.example", ()), ("gateway.example", "lan", ["lan"])],
)
def test_the_next_address_of_a_host_is_dialled_where_nobody_listens_at_the_first(own, host, named):
    async def run(server):
        fetcher = PictureFetcher(f"http://{own}:{server.port}/v1", named)
        try:
            return await fetcher.fetch(server.publish(RED).replace("127.0.0.1", host))
        finally:
            await fetcher.close()

    with LoopbackServer() as server, asyncio.Runner(loop_factory=TwoAddresses) as runner:
        assert runner.run(run(server)) == RED
        assert [each["host"] for each in server.fetched] == [f"{host}:{server.port}"]


def test_a_link_without_a_host_is_one_of_the_server_that_sent_it():
    with LoopbackServer() as server:
        path = "/picture/" + server.publish(RED).rpartition("/")[2]
        assert fetch(path, own=server.url) == RED
    for link in ("files/x.png", "x.png?size=1"):
        with fails("refused", match="by a link without a host") as caught:
            fetch(link)
        assert link in str(caught.value)


@pytest.mark.parametrize("url", ["//127.0.0.1:1/x.png", "//[::1]/x.png", "//localhost/x.png", "/\\127.0.0.1:1/x.png"])
def test_a_link_without_a_host_leads_into_no_other_network(url):
    with pytest.raises(AnswerError) as caught:
        fetch_where({"gateway.example": "203.0.113.1"}, url, own="http://127.0.0.1:9/v1")
    assert "not a public address" in str(caught.value) or caught.value.failure.kind == "retry"


def test_the_server_that_sent_the_reply_may_go_by_another_name():
    with LoopbackServer() as server:
        url = server.publish(RED).replace("127.0.0.1", "inner.example")
        assert fetch_where({"inner.example": "127.0.0.1"}, url, own=server.url) == RED
        with fails("refused", match="inner.example:1, which is not a public address"):
            fetch_where({"inner.example": "127.0.0.1"}, "http://inner.example:1/x.png", own=server.url)
        # Whoever sends the reply decides on names in public DNS.
        with fails("refused"):
            names = {"inner.example": "127.0.0.1", "gateway.example": "127.0.0.1"}
            fetch_where(names, url, own=server.url.replace("127.0.0.1", "gateway.example"))


def test_a_host_is_fetched_from_where_the_user_names_it():
    with LoopbackServer() as server:
        url = server.publish(RED)
        for named in ("127.0.0.1", f"127.0.0.1:{server.port}", "127.0.0.0/8"):
            assert fetch_where({}, url, hosts=[named]) == RED
        for named in ("127.0.0.2", "127.0.0.1:1", "10.0.0.0/8", "::1", "localhost"):
            host = f"127.0.0.1:{server.port}"
            with fails("refused", match=rf'picture_hosts=\["{host}"\] \(--picture_hosts {host}\), then run again'):
                fetch_where({}, url, hosts=[named])
        named = url.replace("127.0.0.1", "images.example")
        assert fetch_where({"images.example": "127.0.0.1"}, named, hosts=["Images.example"]) == RED
        with fails("refused"):
            fetch_where({"images.example": "127.0.0.1"}, url, hosts=["images.example"])


@pytest.mark.parametrize("named", ["", "http://h", "a b:c", "10.0.0.1/8", "u@h", "h:99999", " h", 7, "[::1"])
def test_what_names_no_host_is_said_before_anything_is_sent(named):
    with pytest.raises(ConfigError, match="picture_hosts"):
        PictureFetcher("http://gateway.example/v1", [named])
    with pytest.raises(ConfigError, match="give a list"):
        PictureFetcher("http://gateway.example/v1", "images.example")


def test_a_fake_address_of_a_proxy_is_dialled_by_the_proxy_alone(monkeypatch):
    names = {"pictures.example": "198.18.0.5"}
    with LoopbackServer() as server:
        url = "http://pictures.example/" + server.publish(RED).rpartition("/")[2]
        with fails("refused", match=r'picture_hosts=\["198.18.0.0/15"\]'):
            fetch_where(names, url)
        for variable in ("http_proxy", "all_proxy"):
            with monkeypatch.context() as patch:
                patch.setenv(variable, server.url.removesuffix("/v1"))
                assert fetch_where(names, url) == RED
                for inside in ("http://198.18.0.5/x.png", "http://127.0.0.1:1/x.png", "http://localhost:1/x.png"):
                    with fails("refused"):
                        fetch_where(names, inside)


def test_a_proxy_that_cannot_be_opened_is_said(monkeypatch):
    monkeypatch.setenv("all_proxy", "gopher://127.0.0.1:1")
    with fails("refused", match="through a proxy that cannot be used"):
        fetch("http://1.1.1.1/x.png")  # nothing is sent

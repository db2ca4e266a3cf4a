"""Pictures at addresses, from a host on loopback that serves well or badly."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from dataflow.errors import ConfigError, RowError
from dataflow.ingest.fetchers import fetcher_of
from dataflow.ingest.fetchers.http import AT_ONCE, SILENT, Http
from tests.kit.drawing import draw_png, mark_of
from tests.kit.picture_host import PictureHost, Said

RED = draw_png(mark_of("red"))
SOON = (0.001, 0.001, 0.001)


def fetch(host, path, *, waits=SOON):
    with closing(Http([host.name], waits=waits)) as fetcher:
        return fetcher.fetch(host.url + path)


def test_private_hosts_are_fetched_from_where_the_user_names_them():
    with PictureHost({"/a.png": RED}) as host:
        assert fetch(host, "/a.png") == RED
        with closing(fetcher_of("http")) as fetcher:
            with pytest.raises(
                RowError, match=f"it lies at {host.name}, which is not a public address.*--picture_hosts"
            ):
                fetcher.fetch(f"{host.url}/a.png")
            with pytest.raises(RowError, match="it is named by an address that is not http"):
                fetcher.fetch("file:///etc/passwd")
    with pytest.raises(ConfigError, match="picture_hosts"):
        Http(["http://x"])


def test_a_redirect_into_our_own_network_is_refused():
    with PictureHost() as host:
        host.said["/a.png"] = [Said(302, {"Location": "http://169.254.169.254/latest/meta-data"})]
        with pytest.raises(RowError, match="not a public address"):
            fetch(host, "/a.png")
        assert host.asked["/a.png"] == 1


def test_a_dead_address_is_asked_once_and_what_passes_four_times():
    with PictureHost({"/late.png": RED}) as host:
        for status in (404, 410, 403):
            host.said["/dead.png"] = [Said(status)]
            with pytest.raises(RowError, match=f"^HTTP {status}$"):
                fetch(host, "/dead.png")
        assert host.asked["/dead.png"] == 3
        host.said["/late.png"] = [Said(503), Said(200, cut=True), Said(429)]
        assert fetch(host, "/late.png") == RED
        assert host.asked["/late.png"] == 4
        host.said["/never.png"] = [Said(500)] * 9
        with pytest.raises(RowError, match="HTTP 500"):
            fetch(host, "/never.png")
        assert host.asked["/never.png"] == 4


def test_a_host_that_says_when_to_come_again_is_left_alone_so_long():
    with PictureHost({"/a.png": RED, "/b.png": RED}) as host, closing(Http([host.name], waits=SOON)) as fetcher:
        host.said["/a.png"] = [Said(429, {"Retry-After-Ms": "200"})]
        with ThreadPoolExecutor(2) as threads:
            began = time.monotonic()
            first = threads.submit(fetcher.fetch, f"{host.url}/a.png")
            host.met.wait()
            assert fetcher.fetch(f"{host.url}/b.png") == RED == first.result()
        assert time.monotonic() - began > 0.15


def test_a_wait_of_hours_is_the_next_imports():
    with PictureHost() as host:
        host.said["/a.png"] = [Said(429, {"Retry-After": "3600"})]
        with pytest.raises(RowError, match="HTTP 429, and its host asks to wait for 3,600 s: import it again later"):
            fetch(host, "/a.png")
        assert host.asked["/a.png"] == 1


def test_few_addresses_of_a_host_are_asked_at_the_same_time():
    pictures = {f"/{n}.png": RED for n in range(4 * AT_ONCE)}
    with PictureHost(pictures, latency=0.01) as host, closing(Http([host.name])) as fetcher:
        with ThreadPoolExecutor(64) as threads:
            assert set(threads.map(fetcher.fetch, [host.url + path for path in pictures])) == {RED}
        assert 1 < host.peak <= AT_ONCE


def test_a_host_that_never_answers_holds_up_nobody():
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{unheard.getsockname()[1]}"
        with closing(Http([name], waits=())) as fetcher:
            for number in range(SILENT + 5):
                said = "did not answer 16 times in a row" if number >= SILENT else "onnect"
                with pytest.raises(RowError, match=said):
                    fetcher.fetch(f"http://{name}/{number}.png")


def test_closing_ends_what_runs():
    with PictureHost({"/a.png": RED}, latency=60) as host, ThreadPoolExecutor(1) as threads:
        fetcher = Http([host.name])
        running = threads.submit(fetcher.fetch, f"{host.url}/a.png")
        host.met.wait()
        fetcher.close()
        with pytest.raises(RowError, match="since the import ends"):
            running.result()

"""Serves a page on loopback, and sends requests to it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from urllib.parse import quote, urlsplit

from dataflow.view.server import serve_page
from tests.kit.judged import STEP


class Site:
    """A page that is served, with helpers for requests to it."""

    def __init__(self, address: str) -> None:
        self.address, parts = address, urlsplit(address)
        self.host, self.base = parts.netloc, parts.path
        self.step = f"{self.base}steps/{STEP}"

    def ask(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection(self.host, timeout=20)
        try:
            connection.putrequest(method, path, skip_host="Host" in headers)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def json(self, path: str) -> dict[str, object]:
        answer, body = self.ask(path)
        assert answer.status == 200, body
        found = json.loads(body)
        assert isinstance(found, dict)
        return found

    def status(self, path: str, **headers: str) -> int:
        return self.ask(path, "GET", b"", **headers)[0].status


def place(file: str, line: int) -> str:
    return quote(f"{STEP}{file}.jsonl:{line}", safe="")


@contextmanager
def site_of(folder: Path, step: str = STEP) -> Iterator[Site]:
    """Serve the page of a cache directory while the block runs; its labels file lies beside the directory."""
    with serve_page(folder, step, labels=folder.parent / "labels.jsonl") as page:
        thread = Thread(target=page.run)
        thread.start()
        try:
            yield Site(page.address)
        finally:
            page.stop()
            thread.join()

"""A server that keeps every POST as the bytes that arrived, and sends the same reply to all."""

import re
import socketserver
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Self

import orjson


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as it arrived: its first line, its headers with names in lower case, its body."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.body)
        return found

    @property
    def parts(self) -> list[tuple[str, str, str, bytes]]:
        """The parts of a multipart body, in order: name, file name, MIME type and content of each."""
        boundary = self.headers["content-type"].partition("boundary=")[2].encode()
        found: list[tuple[str, str, str, bytes]] = []
        for part in self.body.split(b"--" + boundary)[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            text = head.decode()
            patterns = (r' name="([^"]*)"', r'filename="([^"]*)"', r"Type: (\S+)")
            name, file, kind = (match[1] if (match := re.search(each, text)) else "" for each in patterns)
            found.append((name, file, kind, content.removesuffix(b"\r\n")))
        return found


class Wiretap:
    """Listens on loopback while the `with` block runs.

    Args:
        reply: the body of every answer.
        cuts: how many bytes of the body the first answers have, one each; the length they name is the whole one.
        clean: whether a cut answer names no length, so that its end looks like one.
    """

    def __init__(self, reply: bytes, *, cuts: Iterable[int] = (), clean: bool = False) -> None:
        self.sent: list[Sent] = []
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(reply)}\r\nConnection: close\r\n\r\n".encode()
        cut_head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" if clean else head
        answers = chain((cut_head + reply[:cut] for cut in cuts), repeat(head + reply))
        tap = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline().decode().strip()
                headers = {}
                while text := self.rfile.readline().decode().strip():
                    name, _, value = text.partition(": ")
                    headers[name.lower()] = value
                if line.startswith("GET "):  # what asks who it is
                    self.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    return
                tap.sent.append(Sent(line, headers, self.rfile.read(int(headers.get("content-length", 0)))))
                self.wfile.write(next(answers))

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="wiretap", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

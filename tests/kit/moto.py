"""Runs moto's S3 server on loopback, in a process of its own."""

import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote


@contextmanager
def serving_buckets() -> Iterator[str]:
    """The address of a server without a bucket."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as server:
        assert server.stderr is not None
        try:
            lines = iter(server.stderr.readline, "")
            address = next(found[0] for line in lines if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
            threading.Thread(target=server.stderr.read, daemon=True).start()  # its log would fill the pipe
            yield address
        finally:
            server.terminate()


def put(address: str, objects: Mapping[str, bytes]) -> None:
    """Make objects: `bucket/key` → bytes; a bucket is made with its first one."""
    for bucket in {name.partition("/")[0] for name in objects}:
        _put(f"{address}/{bucket}", b"")
    for name, data in objects.items():
        _put(f"{address}/{quote(name)}", data)


def _put(url: str, data: bytes) -> None:
    kind = {"Content-Type": "application/octet-stream"}  # moto waits for more of a form
    with urllib.request.urlopen(urllib.request.Request(url, data, kind, method="PUT"), timeout=60) as reply:
        assert reply.status == 200

"""A Hugging Face hub on loopback: serves the files of a folder as one model, or one data set, at one commit."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "c0ffee" * 6 + "c0ff"


class Hub:
    """A hub with one model or data set, and the paths that were asked.

    Attributes:
        gated: refuse everything until its licence is accepted.
        commit: of the main branch.
        asked: paths, in order.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.gated = False
        self.commit = COMMIT
        self.asked: list[str] = []
        self.url = ""

    def files(self) -> dict[str, Path]:
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path for path in found}

    def info(self) -> dict[str, object]:
        siblings = [{"rfilename": name, "size": path.stat().st_size} for name, path in self.files().items()]
        return {"id": self.name, "modelId": self.name, "sha": self.commit, "siblings": siblings, "tags": []}

    def tree(self, below: str = "", *, recursive: bool = True) -> list[dict[str, object]]:
        """The files below a folder; its own, and its folders, where it is not recursive."""
        found: dict[str, dict[str, object]] = {}
        for name, path in self.files().items():
            rest = name.removeprefix(f"{below}/") if below else name
            if below and rest == name:
                continue
            inner, _, deeper = rest.partition("/")
            if deeper and not recursive:
                folder = f"{below}/{inner}" if below else inner
                found[folder] = {"type": "directory", "path": folder, "size": 0, "oid": "0" * 40}
            else:
                found[name] = {"type": "file", "path": name, "size": path.stat().st_size, "oid": _etag(path)}
        return list(found.values())

    def entries(self, names: list[str]) -> list[dict[str, object]]:
        """What is known of paths: files, and folders that hold some."""
        found = [entry for entry in self.tree() if entry["path"] in names]
        return found + [{"type": "directory", "path": name, "oid": "0" * 40} for name in names if self.tree(name)]


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *args: Any) -> None:
        self._hub = hub
        super().__init__(*args)

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        self._hub.asked.append(unquote(urlsplit(self.path).path))
        names = json.loads(asked)["paths"] if asked.startswith(b"{") else parse_qs(asked.decode())["paths"]
        self._send(200, json.dumps(self._hub.entries([names] if isinstance(names, str) else names)).encode())

    def do_GET(self) -> None:
        hub, path = self._hub, unquote(urlsplit(self.path).path)
        hub.asked.append(path)
        if hub.name not in path:
            return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        if hub.gated:
            return self._send(403, b"{}", {"X-Error-Code": "GatedRepo"})
        if "/tree/" in path:
            recursive = "recursive=false" not in self.path.lower()
            found = hub.tree(path.partition("/tree/")[2].partition("/")[2], recursive=recursive)
            return self._send(200, json.dumps(found).encode())
        if path.startswith(("/api/models/", "/api/datasets/")):
            if "/revision/" in path and path.rpartition("/")[2] not in ("main", hub.commit):
                return self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return self._send(200, json.dumps(hub.info()).encode())
        file = hub.files().get(path.partition("/resolve/")[2].partition("/")[2])
        if file is None:
            return self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
        return self._send_file(file)

    def _send_file(self, file: Path) -> None:
        data, headers = file.read_bytes(), {"X-Repo-Commit": self._hub.commit, "ETag": f'"{_etag(file)}"'}
        first, _, last = (self.headers.get("Range") or "").removeprefix("bytes=").partition("-")
        if not first:
            return self._send(200, data, headers)
        end = min(int(last or len(data)), len(data) - 1)
        headers["Content-Range"] = f"bytes {first}-{end}/{len(data)}"
        return self._send(206, data[int(first) : end + 1], headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@contextmanager
def serving_hub(name: str, folder: Path) -> Iterator[Hub]:
    hub = Hub(name, folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, hub)) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        hub.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()

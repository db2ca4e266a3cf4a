"""The page's server answers whoever has its address, with text as data and the rows' own pictures, and nobody else."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from socket import create_connection
from threading import Thread
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from dataflow.errors import ConfigError
from dataflow.view.bundle import PAGE
from dataflow.view.server import serving
from tests.kit.judged import STEP, judged_cache, row_of, verdict_of, write_rows

EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>\u202egnp.exe"
SECRET = "what nobody is to see"


class Site:
    """A page that is served, and what is asked of it."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = judged_cache(tmp_path_factory.mktemp("cache") / "run")
    (folder.parent / "secret.txt").write_text(SECRET)
    (folder.parent / "secret.png").write_text(SECRET)
    (folder / "drawing.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(3)</script></svg>")
    Image.new("RGB", (30, 20), "red").save(folder / "own.gif")
    paths = ["../secret.txt", "../secret.png", "drawing.png", "/etc/passwd", "own.gif", "x" * 5000 + ".png", "a\0b.png"]
    hostile = row_of(
        folder, 90, images=paths, conversations=EVIL + "宽" * 10_000 + "\ud800", verdict=verdict_of(1, critique=EVIL)
    )
    with (folder / f"{STEP}.rejected.jsonl").open("a") as file:
        file.write(json.dumps(hostile) + "\n")
    return folder


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Site]:
    with serving(folder, STEP, labels=folder.parent / "labels.jsonl") as page:
        thread = Thread(target=page.run)
        thread.start()
        try:
            yield Site(page.address)
        finally:
            page.stop()
            thread.join()


def place(file: str, line: int) -> str:
    return quote(f"{STEP}{file}.jsonl:{line}", safe="")


def test_the_page_and_its_files_are_there_and_load_nothing_from_elsewhere(site: Site) -> None:
    answer, body = site.ask(site.base)
    assert answer.status == 200
    assert b"http" not in body.replace(b'"http://www.w3.org', b"")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for path in PAGE.glob("*.*"):
        assert site.status(site.base + path.name) == 200
        assert path.name in {"index.html"} or path.name.encode() in body, "the browser asks for all of them at once"
    for name in ("nothing.js", "app.py", "..%2fapp.py", "%2e%2e/app.py", "../app.py", "page"):
        assert site.status(site.base + name) == 404, name


def test_rows_and_figures_are_answered(site: Site) -> None:
    overview = site.json(f"{site.step}/overview")
    assert overview["counts"]["outcome"] == {"accepted": 6, "rejected": 3, "failed": 1}  # type: ignore[index]
    found = site.json(f"{site.step}/rows?order=worst&outcome=accepted&count=2")
    assert found["total"] == 6
    assert [row["score"] for row in found["rows"]] == [7.0, 7.0]  # type: ignore[attr-defined]
    detail = site.json(f"{site.step}/rows/{place('', 1)}")
    assert [edit["score"] for edit in detail["edits"]] == [3.0, 7.0]  # type: ignore[attr-defined]
    assert [edit["chosen"] for edit in detail["edits"]] == [False, True]  # type: ignore[attr-defined]
    assert site.json(f"{site.step}/rows/{place('', 7)}")["reason"] == "the model would not do it"


def test_pictures_of_rows_are_served_whole_and_small(site: Site, folder: Path) -> None:
    answer, body = site.ask(f"{site.step}/rows/{place('', 1)}/before/0")
    assert body == (folder / "pictures" / "source0.png").read_bytes()
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    tag = answer.headers["etag"]
    assert site.status(f"{site.step}/rows/{place('', 1)}/before/0", If_None_Match=tag) == 304
    assert site.status(f"{site.step}/rows/{place('', 1)}/before/0?pixels=320") == 200


def test_a_hostile_row_is_text_and_shows_nothing_from_outside(site: Site) -> None:
    hostile = place(".rejected", 3)
    answer, body = site.ask(f"{site.step}/rows/{hostile}")
    assert answer.headers["content-type"] == "application/json"
    assert EVIL in json.loads(body)["instruction"]
    for number in (0, 1, 2, 3, 5, 6):
        answer, body = site.ask(f"{site.step}/rows/{hostile}/before/{number}")
        assert answer.status == 404, number
        assert SECRET.encode() not in body
        assert b"<svg" not in body
    answer, body = site.ask(f"{site.step}/rows/{hostile}/before/4")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png"), "a GIF is drawn anew"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:80", ""])
def test_another_host_is_refused(site: Site, host: str) -> None:
    assert site.status(site.base, Host=host) == 421


def test_another_origin_or_no_token_is_refused(site: Site) -> None:
    assert site.status("/") == 404
    assert site.status("/wrong/") == 404
    assert site.status(site.base[:-2] + "x/") == 404
    assert site.status(site.base, Origin="http://evil.example") == 403
    assert site.status(site.base, Origin="null") == 403
    assert site.status(site.base, Origin=f"http://{site.host}") == 200
    assert site.ask(site.base, "POST")[0].status == 403, "whoever writes says from where"
    answer, _ = site.ask(site.base)
    assert "access-control-allow-origin" not in answer.headers


def test_only_the_page_itself_writes_and_only_labels(site: Site, folder: Path) -> None:
    labels, path = folder.parent / "labels.jsonl", f"{site.step}/rows/{place('', 1)}/decision"
    said, own = b'{"number": 0, "label": "reject"}', f"http://{site.host}"
    assert site.ask(path, "POST", said)[0].status == 403
    assert site.ask(path, "POST", said, Origin="http://evil.example")[0].status == 403
    for body in (b"", b"[]", b"{", b'{"number": 0}', b'{"number": -1, "label": "reject"}', b"x" * 20_000):
        assert site.ask(path, "POST", body, Origin=own)[0].status in (400, 413), body
    assert site.ask(path, "POST", b'{"number": 0, "label": "evil"}', Origin=own)[0].status == 404
    assert not labels.exists()
    assert site.ask(path, "POST", said, Origin=own)[0].status == 200
    assert json.loads(labels.read_text())["label"] == "reject"
    card = site.json(f"{site.step}/rows?outcome=accepted&count=1")["rows"][0]  # type: ignore[index]
    assert card["after"][0]["hand"] == "reject"
    asked, first = f"{site.step}/sample/0?count=5", site.json(f"{site.step}/sample?count=5")["showings"][0]  # type: ignore[index]
    for where, status in (("elsewhere:1", 404), (first["place"], 200)):
        body = json.dumps({"label": "yes", "place": where}).encode()
        assert site.ask(asked, "POST", body, Origin=own)[0].status == status
    assert len(labels.read_text().splitlines()) == 2
    assert site.json(f"{site.step}/sample?count=5")["labels"] == str(labels)


ODD = st.text(st.characters(exclude_categories=()), max_size=30).map(
    lambda text: quote(text, safe="", errors="replace")
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(
        ODD
        | st.sampled_from(
            ["..", "%2e%2e", "steps", "sample", "decision", STEP, "rows", "before", "after", "0", "-1", place("", 1)]
        ),
        max_size=7,
    ),
    query=st.dictionaries(
        st.sampled_from(["start", "count", "order", "least", "most", "text", "side", "pixels", "outcome"]), ODD
    ),
)
def test_whatever_is_asked_is_answered_without_a_fault(site: Site, parts: list[str], query: dict[str, str]) -> None:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    answer, body = site.ask(f"{site.base}{'/'.join(parts)}?{asked}")
    assert answer.status in (200, 304, 400, 404, 405), (parts, query, body[:200])
    assert SECRET.encode() not in body


def test_a_port_that_is_taken_is_the_users_to_change(site: Site, folder: Path) -> None:
    with (
        pytest.raises(ConfigError, match="port"),
        serving(folder, STEP, labels=Path("labels.jsonl"), port=int(site.host.split(":")[1])),
    ):
        pass


def test_a_run_is_followed_while_the_page_is_open(tmp_path: Path) -> None:
    part = tmp_path / f"{STEP}.jsonl.part"
    write_rows(part, [row_of(tmp_path, 0, verdict=verdict_of(9))])
    with serving(tmp_path, STEP, labels=tmp_path / "labels.jsonl") as page:
        thread = Thread(target=page.run)
        thread.start()
        try:
            site = Site(page.address)
            assert site.json(f"{site.step}/rows")["total"] == 1
            with part.open("a") as file:
                file.write(json.dumps(row_of(tmp_path, 1, verdict=verdict_of(9))) + "\n")
            while site.json(f"{site.step}/rows")["total"] != 2:
                pass
        finally:
            page.stop()
            thread.join()


def test_a_step_of_any_name_is_opened_by_its_address(tmp_path: Path) -> None:
    step = "a&b #1 %41+宽_step1"
    write_rows(tmp_path / f"{step}.jsonl", [row_of(tmp_path, 0)])
    with serving(tmp_path, step, labels=tmp_path / "labels.jsonl") as page:
        assert parse_qs(urlsplit(page.address).fragment) == {"step": [step]}
        thread = Thread(target=page.run)
        thread.start()
        try:
            site = Site(page.address)
            rows = f"{site.base}steps/{quote(step, safe='')}/rows"
            picture = quote(f"{step}.jsonl:1", safe="")
            assert site.json(rows)["total"] == 1
            assert site.status(f"{rows}/{picture}/before/0") == 200
        finally:
            page.stop()
            thread.join()


@pytest.mark.slow
def test_a_label_that_does_not_come_whole_keeps_nobody_waiting(site: Site) -> None:
    host, _, port = site.host.partition(":")
    with create_connection((host, int(port)), timeout=20) as connection:
        head = f"POST {site.step}/sample/0 HTTP/1.1\r\nHost: {site.host}\r\nOrigin: http://{site.host}\r\n"
        connection.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")

"""The page's server answers whoever has its address, with text as data and the rows' own pictures, and nobody else."""

import json
from collections.abc import Iterator
from pathlib import Path
from socket import create_connection
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from dataflow.view.bundle import PAGE
from tests.kit.judged import STEP, judged_cache, row_of, verdict_of
from tests.kit.site import Site, place, site_of

EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>\u202egnp.exe"
SECRET = "what nobody is to see"


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
    with site_of(folder) as opened:
        yield opened


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


@pytest.mark.slow
def test_a_label_that_does_not_come_whole_keeps_nobody_waiting(site: Site) -> None:
    host, _, port = site.host.partition(":")
    with create_connection((host, int(port)), timeout=20) as connection:
        head = f"POST {site.step}/sample/0 HTTP/1.1\r\nHost: {site.host}\r\nOrigin: http://{site.host}\r\n"
        connection.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")

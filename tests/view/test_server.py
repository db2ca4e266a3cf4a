"""The server of a page: its address, its port, and that it follows a run."""

import json
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from dataflow.errors import ConfigError
from dataflow.view.server import serve_page
from tests.kit.judged import STEP, row_of, verdict_of, write_rows
from tests.kit.site import site_of


def test_a_port_that_is_taken_is_the_users_to_change(tmp_path: Path) -> None:
    write_rows(tmp_path / f"{STEP}.jsonl", [row_of(tmp_path, 0)])
    with (
        serve_page(tmp_path, STEP, labels=tmp_path / "labels.jsonl") as page,
        pytest.raises(ConfigError, match=f"port {page.port} cannot be had"),
        serve_page(tmp_path, STEP, labels=tmp_path / "labels.jsonl", port=page.port),
    ):
        pass


def test_a_labels_file_that_is_a_folder_is_named(tmp_path: Path) -> None:
    write_rows(tmp_path / f"{STEP}.jsonl", [row_of(tmp_path, 0)])
    with pytest.raises(ConfigError, match="name another file of labels"), serve_page(tmp_path, STEP, labels=tmp_path):
        pass


def test_a_run_is_followed_while_the_page_is_open(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    part = folder / f"{STEP}.jsonl.part"
    write_rows(part, [row_of(folder, 0, verdict=verdict_of(9))])
    with site_of(folder) as site:
        assert site.json(f"{site.step}/rows")["total"] == 1
        with part.open("a") as file:
            file.write(json.dumps(row_of(folder, 1, verdict=verdict_of(9))) + "\n")
        while site.json(f"{site.step}/rows")["total"] != 2:
            pass


def test_a_step_of_any_name_is_opened_by_its_address(tmp_path: Path) -> None:
    folder, step = tmp_path / "run", "a&b #1 %41+宽_step1"
    write_rows(folder / f"{step}.jsonl", [row_of(folder, 0)])
    with site_of(folder, step) as site:
        assert parse_qs(urlsplit(site.address).fragment) == {"step": [step]}
        rows = f"{site.base}steps/{quote(step, safe='')}/rows"
        picture = quote(f"{step}.jsonl:1", safe="")
        assert site.json(rows)["total"] == 1
        assert site.status(f"{rows}/{picture}/before/0") == 200

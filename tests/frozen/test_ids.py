"""The id of a request is that of every earlier version: by it an answer that was paid for is found."""

import json
from pathlib import Path

import pytest

from tests.frozen import ids


@pytest.fixture
def now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, object]]:
    monkeypatch.chdir(tmp_path)
    ids.lay_out(tmp_path)
    return json.loads(json.dumps(ids.table()))


def test_fingerprints_and_ids_are_those_of_earlier_versions(now: dict[str, dict[str, object]]) -> None:
    frozen = json.loads(ids.TABLE.read_text(encoding="utf-8"))
    assert now.keys() == frozen.keys()
    for name, table in frozen.items():
        assert now[name] == table, name


@pytest.mark.parametrize("table", ["prints", "ids", "ids of the second twin"])
def test_what_is_no_part_of_an_id_leaves_it_alone_and_all_else_does_not(
    now: dict[str, dict[str, object]], table: str
) -> None:
    found = now[table]
    for name, digest in found.items():
        plain = f"{name.rpartition(': ')[0].removesuffix('same').removesuffix(': ')}: plain".removeprefix(": ")
        if name != plain and plain in found:
            assert (digest == found[plain]) == ("same: " in name), name

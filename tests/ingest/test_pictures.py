"""What a field that is called a picture may hold."""

import base64
from pathlib import Path

import pytest

from dataflow.errors import RowError
from dataflow.ingest.pictures import pictures_of
from dataflow.ingest.records import Bytes, Local, Remote
from dataflow.utils.files import PathRules

LONG = base64.b64encode(bytes(2000)).decode()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"1", [Bytes(b"1")]),
        ({"bytes": b"1", "path": "a.png"}, [Bytes(b"1", "a.png")]),
        ({"bytes": None, "path": "https://a/b.png"}, [Remote("https://a/b.png")]),
        (["s3://a/b.png", None, b"1"], [Remote("s3://a/b.png"), Bytes(b"1")]),
        ("data:image/png;base64,MQ==", [Bytes(b"1")]),
        (LONG, [Bytes(bytes(2000))]),
        (Local(Path("/a")), [Local(Path("/a"))]),
        (None, []),
        ("", []),
        ([], []),
    ],
)
def test_a_field_of_pictures_in_any_form(value: object, found: list[object]) -> None:
    assert pictures_of(value, None) == found


@pytest.mark.parametrize("value", [5, {"a": 1}, "data:image/png;base64,MQ", "!" * 2000, "a.png"])
def test_what_is_no_picture_is_said(value: object) -> None:
    with pytest.raises(RowError):
        pictures_of(value, None)


def test_a_path_begins_where_the_rules_say(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert pictures_of("a.png", PathRules(tmp_path)) == [Local(tmp_path / "a.png")]
    assert pictures_of("./a b.png", "https://host/set/") == [Remote("https://host/set/a%20b.png")]

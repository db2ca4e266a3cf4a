"""What an export takes on its disk: nothing for links, and else about what is written."""

from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.export.formats import Format, format_of
from dataflow.export.records import Caption, Image, Record
from dataflow.export.space import Space, check_room
from tests.kit.exports import photo

TREE = format_of("musubi")
BYTES = Format("bytes", lambda output: "", tree=False)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    path = str(photo(tmp_path / "a.png", 1))
    image = Image(path, "ab" * 32, 1_000_000, 320, 256, "png")
    return Record("a", (image,), ("source",), (Caption("do it", "en"),), image)


def noted(folder: Path, formats: list[Format], record: Record) -> int:
    space = Space(folder, formats)
    space.note(record)
    return space.bytes


def test_links_take_no_room_and_bytes_take_theirs_for_each_format(tmp_path: Path, record: Record) -> None:
    texts = noted(tmp_path, [TREE], record)
    assert texts < 10_000
    assert noted(tmp_path, [BYTES], record) == 2_000_000 + texts
    assert noted(tmp_path, [TREE, BYTES], record) == 2_000_000 + texts


def test_on_another_disk_pictures_are_copied(tmp_path: Path, record: Record) -> None:
    another = Path("/dev")
    assert another.stat().st_dev != tmp_path.stat().st_dev
    assert noted(another, [TREE], record) > 2_000_000


def test_too_little_room_is_told_before_the_first_byte(tmp_path: Path) -> None:
    check_room(tmp_path, 1)
    with pytest.raises(ConfigError, match=r"the export takes some 1000000\.0 GB, and"):
        check_room(tmp_path, 10**15)

"""A batch file to which requests are added."""

import hashlib
import resource
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dataflow.serving.api.batches.draft import Draft


@pytest.fixture
def draft(tmp_path: Path) -> Iterator[Draft]:
    with closing(Draft(tmp_path / "made", "/images/edits")) as made:
        yield made


def test_lines_stand_in_the_file_in_the_order_of_their_ids(draft: Draft) -> None:
    draft.add("a", b"one\n")
    draft.add("b", b"two\n")
    assert (draft.ids, draft.size, draft.path) == (["a", "b"], 8, "/images/edits")
    draft.file.seek(0)
    assert draft.file.read() == b"one\ntwo\n"
    assert draft.sha256 == hashlib.sha256(b"one\ntwo\n").hexdigest()


def test_a_draft_has_no_name_on_disk_and_a_tag_of_its_own(draft: Draft, tmp_path: Path) -> None:
    draft.add("a", b"one\n")
    with closing(Draft(tmp_path / "made", "/x")) as other:
        assert list((tmp_path / "made").iterdir()) == []
        assert other.tag != draft.tag
        assert len(other.tag) == 32
    assert other.file.closed


def test_a_line_that_the_disk_does_not_take_leaves_the_draft_as_it_was(draft: Draft) -> None:
    draft.add("a", b"one\n")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, limit[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            draft.add("b", b"two\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (draft.ids, draft.size) == (["a"], 4)
    draft.add("c", b"three\n")
    draft.file.seek(0)
    assert draft.file.read() == b"one\nthree\n"
    assert draft.sha256 == hashlib.sha256(b"one\nthree\n").hexdigest()

"""What a journal and its index tell from outside: nothing locked, nothing written, nothing lost after a kill."""

import os
import shutil
from pathlib import Path

import pytest

from dataflow.core.records import Answer, Picture
from dataflow.journal.journal import Journal
from dataflow.journal.picture_facts import KnownPictures
from tests.kit.flow import draw, facts_of

IDS = [f"{number:032x}" for number in range(3)]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A directory whose journal has two answers with pictures, one of text, and knows an input picture."""
    cache = tmp_path / "cache"
    with Journal.opened(cache) as journal:
        for number, request in enumerate(IDS[:2]):
            path = draw(cache / f"images/{request}_0.png", ("red", "blue")[number])
            facts = facts_of(path)
            journal.start(request, 0)
            journal.got(request, 0, Answer((Picture(str(path), facts.sha256, facts.size, 8, 6),), model=f"m{number}"))
        journal.start(IDS[2], 0)
        journal.got(IDS[2], 0, Answer(text="yes"))
        path = draw(tmp_path / "图片.png")
        journal.index.keep_picture(str(path), facts_of(path))
    return cache


def look(cache: Path, tmp_path: Path) -> tuple[list[str | None], bool]:
    """Which models answered, and whether the input picture is known."""
    with KnownPictures(cache).opened() as known:
        answers = [known.answer(request) for request in (*IDS, "f" * 32)]
        return [None if each is None else each.model for each in answers], known.facts(
            str(tmp_path / "图片.png")
        ) is not None


def test_answers_and_facts_are_found(cache: Path, tmp_path: Path) -> None:
    assert look(cache, tmp_path) == (["m0", "m1", "", None], True)


@pytest.mark.parametrize("damage", [b"", b"no database", None])
def test_without_an_index_the_journal_is_read(cache: Path, tmp_path: Path, damage: bytes | None) -> None:
    index = cache / ".dataflow/index.sqlite"
    index.unlink()
    if damage is not None:
        index.write_bytes(damage)
    assert look(cache, tmp_path) == (["m0", "m1", None, None], False)


def test_an_index_of_another_journal_is_not_believed(cache: Path, tmp_path: Path) -> None:
    with Journal.opened(tmp_path / "other"):
        pass
    shutil.copy(tmp_path / "other/.dataflow/index.sqlite", cache / ".dataflow/index.sqlite")
    assert look(cache, tmp_path) == (["m0", "m1", None, None], False)


def test_a_run_that_works_in_the_directory_is_not_disturbed(cache: Path, tmp_path: Path) -> None:
    with Journal.opened(cache) as journal:
        path = draw(tmp_path / "new.png")
        journal.index.keep_picture(str(path), facts_of(path))
        journal.sync()
        before = sorted((cache / ".dataflow").iterdir())
        assert look(cache, tmp_path)[0][:2] == ["m0", "m1"]
        assert sorted((cache / ".dataflow").iterdir()) == before
        journal.start("e" * 32, 0)


def test_a_directory_that_may_not_be_written_is_read(cache: Path, tmp_path: Path) -> None:
    os.chmod(cache / ".dataflow", 0o555)
    try:
        assert look(cache, tmp_path) == (["m0", "m1", "", None], True)
    finally:
        os.chmod(cache / ".dataflow", 0o755)


def test_a_directory_without_a_journal_knows_nothing(tmp_path: Path) -> None:
    with KnownPictures(tmp_path).opened() as known:
        assert known.answer(IDS[0]) is None
        assert known.facts("/a.png") is None

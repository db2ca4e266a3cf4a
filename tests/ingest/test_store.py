"""The store of pictures: by content, once, also when several imports fill it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataflow.errors import NotStored, RowError
from dataflow.ingest.store import Store
from tests.kit.flow import draw
from tests.kit.publishers import tree_of


def test_many_threads_store_a_picture_once(tmp_path: Path) -> None:
    data = draw(tmp_path / "a.png").read_bytes()
    with Store(tmp_path / "store") as store, ThreadPoolExecutor(16) as threads:
        kept = list(threads.map(store.keep, [data] * 64))
    assert sum(each.is_new for each in kept) == 1
    assert Path(kept[0].path).read_bytes() == data
    assert list(tree_of(tmp_path / "store")) == [Path(kept[0].path).relative_to(tmp_path / "store").as_posix()]


def test_an_import_leaves_what_another_one_is_writing(tmp_path: Path) -> None:
    one, other = (draw(tmp_path / f"{colour}.png", colour).read_bytes() for colour in ("red", "blue"))
    with Store(tmp_path / "store") as first, Store(tmp_path / "store") as second:
        first.keep(one)
        (tmp_path / "store" / ".making" / "of_the_first").touch()
        second.keep(other)
        assert (tmp_path / "store" / ".making" / "of_the_first").exists()
    with Store(tmp_path / "store") as third:
        third.keep(other)
        assert (
            tmp_path / "store" / ".making" / "of_the_first"
        ).exists()  # nothing was written, so nothing is in the way
        third.keep(draw(tmp_path / "c.png", "green").read_bytes())
    assert not (tmp_path / "store" / ".making" / "of_the_first").exists()


def test_what_is_no_picture_is_not_stored(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store, pytest.raises(RowError, match="an HTML page"):
        store.keep(b"<html>")
    assert not (tmp_path / "store").exists()


def test_a_store_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    data = draw(tmp_path / "a.png").read_bytes()
    with Store(tmp_path / "a.png") as store, pytest.raises(NotStored, match=r"cannot write .*: Not a directory"):
        store.keep(data)

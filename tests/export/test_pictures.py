"""Which files go out as they are, and what is made of the others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataflow.errors import RowError
from dataflow.export import export
from dataflow.export.pictures import Pictures, bake, copy_file
from dataflow.export.records import Bake
from dataflow.export.records import Image as Shown
from tests.kit.awkward import Pixels, awkward_cache, wide_profile
from tests.kit.exports import cache_of, photo, row, written
from tests.kit.formats import differ
from tests.kit.tree_loaders import bare, first_three_channels, on_white, turned_on_black


def test_a_profile_is_applied_where_that_is_asked_for_and_else_goes(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png", 1, icc_profile=wide_profile())
    bare = np.asarray(Image.open(path))
    kept = Image.open(written(tmp_path, bake(str(path), Bake())))
    assert (np.asarray(kept) == bare).all()
    assert "icc_profile" not in kept.info
    seen = np.asarray(Image.open(written(tmp_path, bake(str(path), Bake(profile=True)))))
    assert np.abs(seen.astype(int) - bare).max() > 10


def test_the_same_picture_is_baked_once_and_its_bytes_are_the_same(tmp_path: Path) -> None:
    path = str(photo(tmp_path / "a.png", 1, mode="L"))
    image = Shown(path, "ab" * 32, 1, 320, 256, "png", Bake())
    pictures = Pictures(tmp_path / "baked")
    for name in ("x.png", "y.png"):
        pictures.place(image, str(tmp_path / name))
    assert pictures.baked == 1
    assert (tmp_path / "x.png").read_bytes() == (tmp_path / "y.png").read_bytes() == pictures.read(image)
    assert bake(path, Bake()) == pictures.read(image)


def test_a_copy_is_a_file_of_its_own(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png", 1)
    copy_file(str(path), str(tmp_path / "b.png"))
    assert (tmp_path / "b.png").read_bytes() == path.read_bytes()
    assert not (tmp_path / "b.png").samefile(path)


def test_a_picture_that_went_meanwhile_is_an_error_of_its_row(tmp_path: Path) -> None:
    image = Shown(str(tmp_path / "gone.png"), "ab" * 32, 1, 320, 256, "png")
    with pytest.raises(RowError, match="gone since the export began"):
        Pictures(tmp_path / "baked").place(image, str(tmp_path / "x.png"))


@pytest.mark.parametrize("where", ["relative", "absolute"])
def test_a_symbolic_link_goes_out_as_the_file_that_it_leads_to(tmp_path: Path, where: str) -> None:
    """As the pictures of a snapshot of the hub are."""
    source = photo(tmp_path / "blobs/abc", 1, format="PNG")
    link = tmp_path / "snapshot/a/source.png"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../blobs/abc" if where == "relative" else source)
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 2, images=[str(link)])])
    export(cache, "ai-toolkit", tmp_path / "out")
    placed = tmp_path / "out/inputs_1/control_1/row_2.png"
    assert not placed.is_symlink()
    assert placed.samefile(source)


@pytest.mark.parametrize(
    "read", [bare, turned_on_black, first_three_channels, on_white], ids=lambda each: each.__name__
)
def test_a_trainers_loader_loses_what_is_not_baked(tmp_path: Path, read: Callable[[Path], Pixels]) -> None:
    """Else the tests of the formats would show nothing: each loses some of the pictures as they lie in the cache."""
    _, rows = awkward_cache(tmp_path)
    pictures = tmp_path / "pictures"
    names = ("turned.jpg", "transparent.png", "grey.png", "cmyk.jpg", "deep.png", "profiled.png")
    lost = [
        name
        for name, each in zip(names, rows, strict=False)
        if (got := read(pictures / name)).shape != each.inputs[0].shape or differ(got, each.inputs[0]) > 1
    ]
    assert "deep.png" in lost
    assert "profiled.png" in lost
    assert len(lost) >= 3

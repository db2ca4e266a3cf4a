"""Which rows become records that go out: what fails, is rejected or is not asked for stays behind, and is counted."""

from pathlib import Path

import pytest

from dataflow.export import export
from dataflow.export.plan import of_one_ending
from dataflow.export.records import Caption, Image, Record
from tests.kit.exports import cache_of, row
from tests.kit.flow import read_rows


def test_failed_and_rejected_rows_stay_behind_unless_they_are_asked_for(tmp_path: Path) -> None:
    rejected = {"accepted": False, "score": 2.0}
    rows = [row(tmp_path, 1), row(tmp_path, 2, edited_images=[]), row(tmp_path, 3, verdict=rejected)]
    cache = cache_of(tmp_path / "cache", rows)
    done = export(cache, "musubi", tmp_path / "out")
    assert done.formats == {"musubi": 1}
    assert done.left_out == {"failed": 1, "rejected": 1}
    assert export(cache, "musubi", tmp_path / "all", rejected=True).formats == {"musubi": 2}


def test_columns_axes_and_sizes_can_be_asked_for(tmp_path: Path) -> None:
    axes = {"accepted": True, "score": 9.0, "axes": {"following": 9.0, "preservation": 4.0}}
    rows = [row(tmp_path, 1, mood="glad"), row(tmp_path, 2, mood="sad"), row(tmp_path, 3, mood="glad", verdict=axes)]
    cache = cache_of(tmp_path / "cache", rows)
    where = "mood == 'glad' and preservation >= 5 and width == 320 and inputs == 1"
    done = export(cache, "musubi", tmp_path / "out", where=where)
    assert done.left_out == {"not met by --where": 2}
    (line,) = read_rows(tmp_path / "out/musubi/train_inputs_1.jsonl")
    assert line["caption"] == "paint thing number 1 blue"


@pytest.mark.parametrize("axes", [None, 5, [], "none"])
def test_axes_of_another_form_are_none(tmp_path: Path, axes: object) -> None:
    rows = [row(tmp_path, 1), row(tmp_path, 2, verdict={"accepted": True, "axes": axes})]
    done = export(cache_of(tmp_path / "cache", rows), "hf,webdataset", tmp_path / "out")
    assert done.formats == {"hf": 2, "webdataset": 2}
    done = export(tmp_path / "cache", "hf", tmp_path / "some", where="following > 8")
    assert done.formats == {"hf": 1}


@pytest.mark.parametrize(
    "columns",
    [
        {"images": [{"path": "pictures/a.png"}]},
        {"turns": [{"instruction": "do it", "version": 1}] * 2, "verdict": None},
        {"edited_images": [{"picture": "a.png"}]},
    ],
)
def test_a_row_of_unknown_form_is_broken_though_its_error_speaks_of_pictures(
    tmp_path: Path, columns: dict[str, object]
) -> None:
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1), row(tmp_path, 2, **columns)])
    done = export(cache, "musubi", tmp_path / "out", skip=True)
    assert {kind: done.findings[kind] for kind in ("broken", "missing") if kind in done.findings} == {"broken": 1}


def test_pictures_of_mixed_kinds_are_made_png_and_those_of_one_kind_stay() -> None:
    png, jpeg = (Image(f"/a.{kind}", "ab" * 32, 1, 64, 64, kind) for kind in ("png", "jpeg"))
    mixed = Record("a", (jpeg, png), ("source", "reference"), (Caption("do it", "en"),), png, losers=(jpeg,))
    made = of_one_ending(mixed)
    assert {each.ending for each in made.all_images()} == {"png"}
    assert (made.images[1], made.edited) == (png, png)
    alike = Record("a", (jpeg,), ("source",), (Caption("do it", "en"),), jpeg)
    assert of_one_ending(alike) is alike

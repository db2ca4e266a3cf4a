"""What is known of a record beside its pixels, in the columns of every table."""

import json
from pathlib import Path

from dataflow.export import export
from dataflow.export.columns import ListOf, Struct
from dataflow.export.facts import Facts, facts_of, without_nulls
from dataflow.export.records import Caption, Image, Record
from tests.kit.exports import cache_of, row
from tests.kit.table_loaders import parquet_rows, tar_samples


def test_a_row_says_who_made_its_pictures_and_under_which_licence(tmp_path: Path) -> None:
    known = {"licence": "CC-BY-4.0", "credit": "A. Painter", "digital_source_type": "digitalCapture"}
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1, parent_id="first", relation="inverse", **known)])
    export(cache, "hf,diffusers,webdataset", tmp_path / "out")
    (found,) = parquet_rows(tmp_path / "out/data", "train")
    (sample,) = tar_samples([*(tmp_path / "out/webdataset").iterdir()])
    for each in (found, json.loads(sample["json"])):
        assert (each["licence"], each["credit"]) == ("CC-BY-4.0", "A. Painter")
        assert (each["parent_id"], each["relation"]) == ("first", "inverse")
        assert each["images_by"][0]["source_type"] == "digitalCapture"
        assert each["axes"] == {"following": 9.0, "preservation": 8.0}
        assert (each["score"], each["accepted"], each["width"], each["height"]) == (8.5, True, 320, 256)
        assert json.loads(each["verdict"])["axes"]["following"] == 9.0
    (found,) = parquet_rows(tmp_path / "out/diffusers/data", "train")
    assert found["input_image_by"]["source_type"] == "digitalCapture"


def test_a_table_has_every_axis_and_a_record_only_its_own() -> None:
    picture = Image("/a.png", "ab" * 32, 1, 64, 48, "png")
    first, second = (
        Record("a", (picture,), ("source",), (Caption("do it", "en"),), picture, mask, verdict={"axes": axes})
        for mask, axes in ((None, {"b": 2}), (picture, {"a": "good"}))
    )
    facts = facts_of([first, second])
    assert facts == Facts(("a", "b"), has_masks=True)
    assert [facts.of(each)["axes"] for each in (first, second)] == [{"a": None, "b": 2.0}, {"a": None, "b": None}]
    assert set(facts.of(first)) == set(facts.columns.fields)


def test_without_nulls_every_value_has_its_type() -> None:
    shape = Struct({"seed": "whole", "ok": "truth", "score": "number", "by": ListOf(Struct({"asked": "text"}))})
    found = without_nulls({"ok": True, "by": [{"asked": None}]}, shape)
    assert found == {"seed": -1, "ok": 1, "score": -1.0, "by": [{"asked": ""}]}

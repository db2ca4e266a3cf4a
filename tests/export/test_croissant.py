"""Croissant metadata: valid, and another library reads every picture by it."""

from pathlib import Path
from typing import Any

import mlcroissant
import numpy as np
import pytest

from dataflow.export import export
from dataflow.export.columns import ListOf, Struct
from dataflow.export.croissant import describe_tables
from dataflow.export.parquet import Table
from tests.kit.awkward import awkward_cache


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated", "ignore:The inplace keyword")  # by mlcroissant
def test_croissant_is_valid_and_reads_every_picture(tmp_path: Path) -> None:
    cache, expected = awkward_cache(tmp_path)
    export(cache, "hf,diffusers", tmp_path / "out", skip=True)
    found = mlcroissant.Dataset(jsonld=str(tmp_path / "out/croissant.json"))
    assert not found.metadata.issues.errors
    rows = list(found.records("default_train"))
    assert len(rows) == len(expected)
    for read, row_ in zip(rows, expected, strict=True):
        pictures = [*read["default_train/images"], read["default_train/edited_image"]]
        for picture, pixels in zip(pictures, [*row_.inputs, row_.edited], strict=True):
            assert np.abs(np.asarray(picture).astype(int) - pixels).max() <= 1
        assert " ".join(read["default_train/instruction"].decode().split()) == row_.words
        assert read["default_train/edited_image_by"]["default_train/edited_image_by/asked"] == b""
    assert len(list(found.records("diffusers_train"))) == sum(len(each.inputs) == 1 for each in expected)


def test_a_column_is_a_field_and_a_list_of_lists_has_no_form() -> None:
    columns = Struct({"id": "text", "images": ListOf("image"), "by": Struct({"seed": "whole"}),
                      "wordings": ListOf(ListOf("text"))})  # fmt: skip
    described: Any = describe_tables("mine", [Table("default", "data", columns, {"train": ()})], ["CC0"])
    assert described["license"] == ["CC0"]
    (records,) = described["recordSet"]
    assert [each["@id"] for each in records["field"]] == [f"default_train/{name}" for name in ("id", "images", "by")]

"""Columns of every shape that a table may have, and the features of `datasets` for the same columns."""

import datasets

from dataflow.export.columns import ListOf, Struct

COLUMNS = Struct(
    {
        "id": "text",
        "images": ListOf("image"),
        "edited": "image",
        "captions": ListOf(Struct({"text": "text", "language": "text"})),
        "by": Struct({"asked": "text", "seed": "whole"}),
        "score": "number",
        "accepted": "truth",
        "wordings": ListOf(ListOf("text")),
        "files": ListOf("bytes"),
    }
)


FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "images": datasets.List(datasets.Image()),
        "edited": datasets.Image(),
        "captions": datasets.List({"text": datasets.Value("string"), "language": datasets.Value("string")}),
        "by": {"asked": datasets.Value("string"), "seed": datasets.Value("int64")},
        "score": datasets.Value("float64"),
        "accepted": datasets.Value("bool"),
        "wordings": datasets.List(datasets.List(datasets.Value("string"))),
        "files": datasets.List(datasets.Value("binary")),
    }
)

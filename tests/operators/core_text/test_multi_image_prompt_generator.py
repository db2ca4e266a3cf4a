"""Rows of several pictures: how many, in which style, and how the instruction refers to them."""

import re
from collections import Counter
from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.operators.core_text import MultiImagePromptGenerator
from dataflow.serving.template_writer import TemplateWriter
from dataflow.taxonomy.taxonomy import read_taxonomy
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows
from tests.taxonomy.test_taxonomy import ONE

ENGLISH = {"position": r"\b(first|second|third|fourth) image\b", "label": r"\bImage ([1-4])\b"}
CHINESE = {"position": r"第([一二三四])张图", "label": r"图([1-4])"}


def test_every_picture_is_referred_to_in_the_way_of_its_row(tmp_path: Path) -> None:
    storage = FileStorage(cache_path=tmp_path)
    MultiImagePromptGenerator(TemplateWriter(), n=240).run(storage.step())
    rows = read_rows(storage.current.target)
    assert Counter(row["sub_type"] for row in rows) == {"subjects": 180, "style_reference": 60}
    assert {len(row["input_text"]) for row in rows} == {2, 3, 4}
    assert min(Counter(row["refer"] for row in rows).values()) > 50
    for row in rows:
        count = len(row["input_text"])
        for form in row["instructions"]:
            patterns = ENGLISH if form["language"] == "en" else CHINESE
            found = set(re.findall(patterns.get(row["refer"], "$^"), form["content"]))
            assert len(found) == (0 if row["refer"] == "words" else count), form
        (asked,) = row["output_img_discript"]
        assert all(target in asked["content"] for target in row["targets"])
        for target, message in zip(row["targets"], row["input_text"], strict=True):
            assert target in message["content"]
            assert row["style"] in message["content"]


def test_edits_of_one_picture_have_no_place_here(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mix has remove, of one picture"):
        MultiImagePromptGenerator(TemplateWriter(), mix={"remove": 1, "subjects": 1})
    (tmp_path / "own.yaml").write_text(ONE, encoding="utf-8")
    with pytest.raises(ConfigError, match="no operation with `pictures`"):
        MultiImagePromptGenerator(TemplateWriter(), read_taxonomy(tmp_path / "own.yaml"))

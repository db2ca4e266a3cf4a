"""The demo's stage one: what is said fits the scenes that are meant, in every language and form."""

from collections import Counter
from pathlib import Path

from dataflow.demo.phrases import PHRASINGS
from dataflow.demo.prompts import DemoPromptGenerator
from dataflow.demo.truth import truth_of
from dataflow.demo.wording import caption
from dataflow.demo.world import is_valid
from dataflow.demo.writer import demo_taxonomy
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows

ALL = tuple(demo_taxonomy().operations)


def test_rows_tell_what_their_scenes_show_and_what_must_come_out(tmp_path: Path) -> None:
    storage = FileStorage(cache_path=tmp_path)
    summary = DemoPromptGenerator(n=80, operations=ALL).run(storage.step())
    rows = read_rows(storage.current.target)
    assert (summary.rows, summary.failed) == (80, 0)
    assert set(Counter(row["sub_type"] for row in rows).values()) == {10}
    for row in rows:
        truth = truth_of(row)
        said = [message["content"] for message in row["input_text"]]
        assert said == [caption(scene, row["language"]) for scene in truth["input_image"]]
        (target,) = truth["edited_images"]
        assert is_valid(target)
        assert target not in truth["input_image"]
        assert "style" not in row
        for name, description in zip(row.get("targets", ()), said, strict=bool(row.get("targets"))):
            assert name in description
            assert name in row["conversations"][0]["content"]


def test_removing_takes_just_the_named_shape_away(tmp_path: Path) -> None:
    storage = FileStorage(cache_path=tmp_path)
    DemoPromptGenerator(n=80, languages=["en"], operations=ALL).run(storage.step())
    removals = [row for row in read_rows(storage.current.target) if row["sub_type"] == "remove"]
    assert len(removals) == 10
    for row in removals:
        truth = truth_of(row)
        (gone,) = set(truth["input_image"][0].shapes) - set(truth["edited_images"][0].shapes)
        assert row["targets"] == [f"{gone.colour} {gone.kind}"]


def test_the_examples_of_its_taxonomy_are_of_its_world() -> None:
    for operation in demo_taxonomy().operations.values():
        assert operation.name in PHRASINGS

"""The edit of a brief: one and the same in every language, with the shapes that its instruction names."""

from pathlib import Path

from dataflow.demo.brief_edit import edit_for
from dataflow.demo.parsing import outcome
from dataflow.demo.phrases import LANGUAGES
from dataflow.demo.prompts import DemoPromptGenerator
from dataflow.demo.truth import truth_of
from dataflow.demo.writer import demo_taxonomy
from dataflow.taxonomy.brief import Brief
from dataflow.utils.storage import FileStorage
from tests.kit.flow import read_rows

ALL = tuple(demo_taxonomy().operations)


def test_the_anchor_that_is_named_is_the_one_beside_which_the_shape_lands(tmp_path: Path) -> None:
    storage = FileStorage(cache_path=tmp_path)
    DemoPromptGenerator(n=160, languages=["en"], operations=ALL).run(storage.step())
    for row in read_rows(storage.current.target):
        if row["sub_type"] != "compose":
            continue
        truth = truth_of(row)
        (put,) = set(truth["edited_images"][0].shapes) - set(truth["input_image"][1].shapes)
        chosen, anchor = row["targets"]
        assert chosen == f"{put.colour} {put.kind}"
        beside = next(each for each in truth["input_image"][1].shapes if f"{each.colour} {each.kind}" == anchor)
        assert beside.y == put.y
        assert 0 < put.x - beside.x <= beside.radius + put.radius + 3


def test_a_brief_asks_for_the_same_edit_in_every_language_and_phrasing() -> None:
    brief = Brief("recolour", "en", ("en", "zh"), names_target=True)
    edits = [edit_for(brief, language, phrasing) for language in LANGUAGES for phrasing in (0, 1)]
    assert len({(edit.scenes, edit.named, edit.target) for edit in edits}) == 1
    assert len({edit.instruction for edit in edits}) == 4
    assert outcome(edits[0].instruction, edits[0].scenes) == edits[0].target


def test_another_brief_asks_for_another_edit() -> None:
    first, second = (Brief("move", "en", ("en",), names_target=True, ideas={"place": word}) for word in ("a", "b"))
    assert edit_for(first, "en", 0) == edit_for(first, "en", 0) != edit_for(second, "en", 0)

"""The canonical record: its name, its wordings, its turns apart, and what is read of it from the spool."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.export import Format, Record, Takes
from dataflow.export.records import Bake, Caption, Image, MadeBy, Turn, read_record
from tests.kit.exports import cache_of, records_of, session

PICTURES = st.builds(
    Image,
    path=st.text(min_size=1).filter(lambda text: text.isprintable()),
    sha256=st.just("ab" * 32),
    size=st.integers(1, 2**40),
    width=st.integers(1, 9000),
    height=st.integers(1, 9000),
    kind=st.sampled_from(["png", "jpeg", "webp"]),
    bake=st.none() | st.builds(Bake, st.booleans(), st.none() | st.tuples(st.integers(1, 99), st.integers(1, 99))),
    by=st.builds(MadeBy, asked=st.text(alphabet="abc-/"), seed=st.none() | st.integers(0, 2**31)),
)


CAPTIONS = st.builds(Caption, st.text(alphabet="ab \n\"'007图"), st.sampled_from(["en", "zh"]))


RECORDS = st.builds(
    Record,
    id=st.text(min_size=1, alphabet="ab_0图 "),
    images=st.lists(PICTURES, max_size=3).map(tuple),
    roles=st.just(("source",)),
    captions=st.lists(CAPTIONS, min_size=1, max_size=3).map(tuple),
    edited=PICTURES,
    mask=st.none() | PICTURES,
    turns=st.lists(st.builds(Turn, CAPTIONS, st.text(), st.integers(1, 3), PICTURES), max_size=2).map(tuple),
    losers=st.lists(PICTURES, max_size=1).map(tuple),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECORDS)
def test_a_record_comes_back_from_the_spool_as_it_was(record: Record) -> None:

    assert read_record(orjson.loads(orjson.dumps(record))) == record


def test_else_it_is_one_record_a_turn(tmp_path: Path) -> None:
    single = Format("single", lambda output: "", Takes(captions=None), tree=False)
    found = records_of(cache_of(tmp_path / "cache", [session(tmp_path)]), single)
    assert [each.id for each in found] == ["s1_1", "s1_2", "s1_3"]
    assert [Path(each.images[0].path).name for each in found] == ["v0.png", "v1.png", "v1.png"]
    assert [Path(each.edited.path).name for each in found] == ["v1.png", "v2.png", "v3.png"]
    assert [each.instruction for each in found] == [
        "make the star red", "move the red star to the left", "remove the red star",
    ]  # fmt: skip
    assert [each.score for each in found] == [9.0, 7.0, 8.0]
    assert {each.parent_id for each in found} == {"s1"}


PICTURE = Image("/a.jpg", "ab" * 32, 1, 320, 256, "jpeg")
RECORD = Record("row_1", (PICTURE,), ("source",), (Caption("do it\nnow", "en"),), PICTURE)


@pytest.mark.parametrize(("id_", "is_kept"), [("row_1", True), ("../row", False), ("Row", False), ("a" * 81, False)])
def test_the_stem_is_the_id_where_that_is_a_safe_file_name(id_: str, *, is_kept: bool) -> None:
    stem = replace(RECORD, id=id_).stem
    assert (stem == id_) is is_kept
    assert len(stem) == (len(id_) if is_kept else 32)


def test_a_baked_picture_is_a_png_of_its_canvas() -> None:
    assert (PICTURE.ending, PICTURE.shape) == ("jpg", (320, 256))
    baked = replace(PICTURE, bake=Bake(canvas=(400, 320)))
    assert (baked.ending, baked.shape) == ("png", (400, 320))


def test_an_instruction_has_its_lines_and_one_line_and_wordings_by_language_and_length() -> None:
    forms = (*RECORD.captions, Caption("vite", "fr", "short"), Caption("now", "en", "short"))
    record = replace(RECORD, captions=forms)
    assert (record.instruction, record.line) == ("do it\nnow", "do it now")
    assert (record.instruction_short, record.wording("fr"), record.wording("zh")) == ("now", "vite", "")


@pytest.mark.parametrize(("verdict", "score"), [({}, None), ({"score": 7}, 7.0), ({"score": "good"}, None)])
def test_a_score_is_a_number_or_none(verdict: dict[str, object], score: float | None) -> None:
    record = replace(RECORD, verdict={**verdict, "axes": "none"})
    assert (record.score, record.axes) == (score, {})

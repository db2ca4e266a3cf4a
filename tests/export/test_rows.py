"""Rows as records: what each column becomes, of the guide's rows, of several edits, of conversations and of pairs."""

from pathlib import Path

import pytest
from PIL import ImageCms

from dataflow.core.records import JSON, Row
from dataflow.errors import ConfigError
from dataflow.export import Format
from dataflow.export.records import DRAWN, EDITED
from tests.kit.awkward import wide_profile
from tests.kit.exports import STEP, cache_of, photo, records_of, row, run_edits, session
from tests.kit.flow import read_rows, write_rows


def test_a_row_keeps_what_it_says_of_itself(tmp_path: Path) -> None:
    said = {"licence": "CC0", "credit": ["Ann", "Bob", "Ann"], "parent_id": "p", "relation": "inverse"}
    (record,) = records_of(cache_of(tmp_path / "cache", [row(tmp_path, 1, **said)]))
    assert (record.id, record.licence, record.credit) == ("row_1", "CC0", "Ann; Bob")
    assert (record.parent_id, record.relation, record.edit_type, record.sub_type) == (
        "p",
        "inverse",
        "object",
        "remove",
    )
    assert (record.roles, record.accepted, record.score) == (("source",), True, 8.5)
    assert record.place == "dataflow_cache_step_step1.jsonl:1"


def test_wordings_come_with_language_and_length(tmp_path: Path) -> None:
    forms: JSON = [
        {"content": "paint thing number 1 blue", "language": "en", "length": "long"},
        {"content": "blue, please", "language": "en", "length": "short"},
        {"content": "涂成蓝色", "role": "user"},
        "paint it blue",
    ]
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 1, instructions=forms)])
    (record,) = records_of(cache)
    assert [(each.language, each.length) for each in record.captions] == [
        ("en", "long"), ("en", "short"), ("zh", ""), ("en", ""),
    ]  # fmt: skip
    assert record.instruction_short == "blue, please"
    assert record.wording("zh") == "涂成蓝色"
    (chinese,) = records_of(cache, language="zh")
    assert chinese.instruction == "涂成蓝色"
    (both,) = records_of(cache, language="zh,en")
    assert [each.language for each in both.captions] == ["zh", "en", "en", "en"]
    with pytest.raises(ConfigError, match="no instruction in de"):
        records_of(cache, language="de")


def test_the_wording_that_it_was_edited_by_comes_first(tmp_path: Path) -> None:
    forms: JSON = ["other words", "paint thing number 1 blue", "and others"]
    (record,) = records_of(cache_of(tmp_path / "cache", [row(tmp_path, 1, instructions=forms)]))
    assert [each.text for each in record.captions] == ["paint thing number 1 blue", "other words", "and others"]


@pytest.mark.parametrize("version", [0, 3, "1"])
def test_a_turn_of_a_version_that_is_not_there_is_left_out(tmp_path: Path, version: object) -> None:
    odd = session(tmp_path)
    odd["turns"][1]["version"] = version
    cache = cache_of(tmp_path / "cache", [odd, row(tmp_path, 1)])
    assert [each.id for each in records_of(cache, skip=True)] == ["row_1"]


def test_of_several_edits_each_is_a_record_and_rejected_ones_stay_behind(tmp_path: Path) -> None:
    one = row(tmp_path, 1)
    edits = [photo(tmp_path / f"e{number}.png", 90 + number) for number in range(3)]
    verdicts = [{"accepted": number != 1, "score": number} for number in range(3)]
    cache = cache_of(tmp_path / "cache", [{**one, "edited_images": [*map(str, edits)], "verdict": verdicts}])
    with pytest.raises(ConfigError, match="an earlier row has the same source and instruction"):
        records_of(cache)
    (record,) = records_of(cache, skip=True)
    assert (record.id, record.edited.path, record.score) == ("row_1_1", str(edits[0]), 0.0)


def test_the_guides_other_columns_are_known(tmp_path: Path) -> None:
    one, two = row(tmp_path, 1), row(tmp_path, 2)
    drawn = {"input_image": one["images"], "edited_images": one["edited_images"], "conversations": "paint it"}
    composed = {
        "input_image": [*one["images"], *two["images"]],
        "output_img_discript": [{"content": "both on one table", "role": "user"}],
        "output_image": two["edited_images"],
    }
    first, second = records_of(cache_of(tmp_path / "cache", [drawn, composed]))
    assert (first.instruction, len(first.images)) == ("paint it", 1)
    assert (second.instruction, second.roles) == ("both on one table", ("source", "reference"))


def test_ids_that_rows_lack_are_the_same_in_every_export(tmp_path: Path) -> None:
    rows = [{name: value for name, value in row(tmp_path, number).items() if name != "id"} for number in range(3)]
    cache = cache_of(tmp_path / "cache", rows)
    ids = [each.id for each in records_of(cache)]
    assert ids == [each.id for each in records_of(cache)]
    assert len(set(ids)) == 3


def test_a_conversation_stays_whole_where_a_format_takes_turns(tmp_path: Path) -> None:
    (record,) = records_of(cache_of(tmp_path / "cache", [session(tmp_path)]))
    assert [each.said for each in record.turns] == [
        "make the star red (en)", "move it to the left (en)", "go back to the first version and remove the star (en)",
    ]  # fmt: skip
    assert [each.version for each in record.turns] == [1, 2, 2]
    assert record.edited.path.endswith("v3.png")
    assert (record.accepted, record.score) == (True, 7.0)


def test_a_pair_has_the_better_edit_and_the_worse(tmp_path: Path) -> None:
    one, worse = row(tmp_path, 1), photo(tmp_path / "worse.png", 66)
    verdict = {"axis": "following", "margin": 3.0, "verdicts": [{"accepted": True}, {"accepted": False}]}
    pair = {**one, "edited_images": [*one["edited_images"], str(worse)], "verdict": verdict}
    cache = cache_of(tmp_path / "cache", [one], pairs=[pair])
    (record,) = records_of(cache, Format("duel", lambda output: "", rows="pairs"))
    assert record.losers[0].path == str(worse)
    assert record.verdict["axis"] == "following"
    losers = list((tmp_path / "out0/pairs/inputs_1/losers").iterdir())
    assert [path.stem for path in losers] == [record.stem]


def test_tries_come_with_those_that_were_rejected(tmp_path: Path) -> None:
    one = row(tmp_path, 1)
    tries = [
        {**one, "verdict": {"accepted": True}},
        {**row(tmp_path, 2), "images": one["images"], "verdict": {"accepted": False}},
    ]
    cache = cache_of(tmp_path / "cache", [one], tries=tries)
    found = records_of(cache, Format("judge", lambda output: "", rows="tries", tree=False))
    assert [each.accepted for each in found] == [True, False]
    assert len({each.id for each in found}) == 2  # though the row has one


def test_a_step_without_pairs_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pairs come of an accept loop"):
        records_of(cache_of(tmp_path / "cache", [row(tmp_path, 1)]), Format("duel", lambda output: "", rows="pairs"))


def test_pictures_say_who_made_them(tmp_path: Path) -> None:
    cache = run_edits(tmp_path, [photo(tmp_path / "s.png", 1)], model="an-editor")
    (record,) = records_of(cache)
    by, source = record.edited.by, record.images[0].by
    assert by.request == Path(record.edited.path).stem.removesuffix("_0")
    assert by.seed == int(by.request[:8], 16) >> 1
    assert by.source_type == "compositeWithTrainedAlgorithmicMedia"
    assert (source.request, source.source_type) == ("", "")


def test_a_moved_cache_is_exported_as_well(tmp_path: Path) -> None:
    cache = run_edits(tmp_path / "a", [photo(tmp_path / "s.png", 1)])
    moved = tmp_path / "b" / "cache"
    moved.parent.mkdir()
    cache.rename(moved)
    (record,) = records_of(moved)
    assert record.edited.path.startswith(str(moved))
    assert record.edited.by.request


@pytest.mark.parametrize(
    ("source", "result", "applied"),
    [("wide", "", False), ("wide", "wide", True), ("wide", "sRGB", True), ("", "wide", False)],
)
def test_a_profile_is_applied_where_the_result_has_one(
    tmp_path: Path, source: str, result: str, *, applied: bool
) -> None:
    """A model answers in the numbers that it was shown, whatever profile stood beside them."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profiles = {"wide": wide_profile(), "sRGB": srgb, "": None}
    one = row(tmp_path, 1)
    photo(Path(one["images"][0]), 1, icc_profile=profiles[source])
    photo(Path(one["edited_images"][0]), 2, icc_profile=profiles[result])
    (record,) = records_of(cache_of(tmp_path / "cache", [one]))
    bake = record.images[0].bake
    assert (bake is not None) is (source == "wide")
    assert bool(bake and bake.profile) is applied


@pytest.mark.parametrize("column", ["verdict", "accepted"])
def test_what_was_said_of_one_edit_lets_no_other_one_pass(tmp_path: Path, column: str) -> None:
    """The first edit of the row failed, so the verdicts are no longer those of its edits by their places."""
    said: list[object] = [True, False] if column == "accepted" else [{"accepted": True}, {"accepted": False}]
    two = row(tmp_path, 2, verdict=None)
    odd = {**two, "edited_images": ["", *two["edited_images"]], column: said}
    cache = cache_of(tmp_path / "cache", [odd, row(tmp_path, 1)])
    assert [each.id for each in records_of(cache, skip=True)] == ["row_1"]
    with pytest.raises(ConfigError, match="one belongs to each edit"):
        records_of(cache)


@pytest.mark.parametrize(
    ("said", "accepted"),
    [("false", False), ("False", False), (0, False), (0.0, False), ("true", True), (1, True), ("", None), ([], None)],
)
def test_a_table_says_accepted_in_its_own_words(tmp_path: Path, said: object, accepted: bool | None) -> None:
    rows = [row(tmp_path, 1), row(tmp_path, 2, verdict=None, accepted=said)]
    found = records_of(cache_of(tmp_path / "cache", rows), rejected=True)
    assert [each.accepted for each in found] == [True, accepted]
    found = records_of(cache_of(tmp_path / "cache", rows))
    assert len(found) == (1 if accepted is False else 2)


def test_a_word_that_is_neither_true_nor_false_is_found(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`accepted` holds 'maybe': say true, false or null"):
        records_of(cache_of(tmp_path / "cache", [row(tmp_path, 1, verdict=None, accepted="maybe")]))


def test_pictures_drawn_from_words_alone_are_no_edits(tmp_path: Path) -> None:
    cache = run_edits(tmp_path, [photo(tmp_path / "a.png", 1)])
    (line,) = read_rows(cache / f"{STEP}.jsonl")
    forward = line["edited_images"][0]
    rows = [{**row(tmp_path, 2), "images": [], "edited_images": [forward]}]
    write_rows(cache / f"{STEP}.jsonl", rows)
    (record,) = records_of(cache)
    assert record.edited.by.source_type == DRAWN
    back = {**row(tmp_path, 3, relation="inverse"), "images": [forward]}
    write_rows(cache / f"{STEP}.jsonl", [back])
    (record,) = records_of(cache)
    assert record.images[0].by.source_type == EDITED


@pytest.mark.parametrize(
    "said",
    [
        {"verdict": [{"accepted": True}, {"accepted": False}, {"accepted": True}]},
        {"verdict": None, "accepted": [True, False, True]},
        {"verdict": None, "accepted": False},
    ],
)
def test_a_session_with_a_rejected_turn_is_rejected(tmp_path: Path, said: Row) -> None:
    cache = cache_of(tmp_path / "cache", [{**session(tmp_path), **said}, row(tmp_path, 1)])
    assert [each.id for each in records_of(cache)] == ["row_1"]
    assert [(each.id, each.accepted) for each in records_of(cache, rejected=True)] == [("s1", False), ("row_1", True)]


@pytest.mark.parametrize("text", ["\0", "\u200b \ufeff", "\n\t"])
def test_an_instruction_of_which_nothing_shows_is_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="there is no instruction, or none"):
        records_of(cache_of(tmp_path / "cache", [row(tmp_path, 1), row(tmp_path, 2, conversations=text)]))


def test_rows_without_ids_are_told_apart_where_file_names_are_the_same(tmp_path: Path) -> None:
    """As of samples in folders of their own, all edited alike."""
    rows = []
    for number in (1, 2):
        one = row(tmp_path / str(number), number, id=None, conversations="make it a drawing")
        rows.append(one)
        for column, name in (("images", "source.png"), ("edited_images", "edited.png")):
            one[column] = [str(Path(one[column][0]).rename(tmp_path / str(number) / name))]
    found = records_of(cache_of(tmp_path / "cache", rows))
    assert len({each.id for each in found}) == 2
    moved = Path(tmp_path / "1").rename(tmp_path / "moved")
    again = [{**rows[0], "images": [str(moved / "source.png")], "edited_images": [str(moved / "edited.png")]}, rows[1]]
    assert [each.id for each in records_of(cache_of(tmp_path / "again", again))] == [each.id for each in found]

"""Who made a picture, as far as its name, the journal and the meta files tell."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow.core.records import Answer, Picture, Row
from dataflow.export.makers import Makers
from dataflow.export.records import DRAWN, EDITED, MadeBy
from dataflow.journal.journal import Journal
from dataflow.journal.picture_facts import KnownPictures

ID, DRAWING = "0000002a" + "0" * 24, "00000010" + "0" * 24
EDITOR: Row = {
    "made_by": {"editor": {"model": "lab/editor", "revision": "abc"}, "judge": {"model": "j"}},
    "workers": {"editor": {"licence": "apache-2.0"}},
}
PAINTER: Row = {"made_by": {"painter": {"model": "/home/me/ckpt/painter"}}, "workers": {}}


@pytest.fixture
def known(tmp_path: Path) -> Iterator[KnownPictures]:
    with Journal.opened(tmp_path) as journal:
        for request, model in ((ID, "editor-2026"), (DRAWING, "")):
            journal.start(request, 0)
            picture = Picture(f"/x/{request}_0.png", "ab" * 32, 1, 8, 8)
            journal.got(request, 0, Answer((picture,), model=model, provider="far away"))
    with KnownPictures(tmp_path).opened() as known:
        yield known


def test_an_edit_names_model_answer_and_seed(known: KnownPictures) -> None:
    by = Makers(known, [EDITOR, PAINTER]).made_by(f"/c/edits/00/{ID}_0.png", "editor")
    assert by == MadeBy(ID, "lab/editor", "editor-2026", "far away", "abc", "apache-2.0", 0x2A >> 1, EDITED)


def test_a_drawing_is_of_another_source_type_and_a_folder_shows_no_path(known: KnownPictures) -> None:
    by = Makers(known, [EDITOR, PAINTER]).made_by(f"/c/drawn/00/{DRAWING}_0.png", "painter")
    assert (by.asked, by.source_type, by.answered) == ("painter", DRAWN, "")


def test_the_source_of_an_inverse_is_known_for_an_edit_by_its_folder(known: KnownPictures) -> None:
    makers = Makers(known, [EDITOR, PAINTER])
    makers.made_by(f"/c/edits/00/{ID}_0.png", "editor")
    assert makers.made_by(f"/c/edits/00/{ID}_0.png", "painter").asked == "lab/editor"


def test_of_several_editors_none_is_guessed(known: KnownPictures) -> None:
    other: Row = {"made_by": {"editor": {"model": "lab/another"}}, "workers": {}}
    by = Makers(known, [EDITOR, other]).made_by(f"/c/edits/00/{ID}_0.png", "editor")
    assert (by.asked, by.revision, by.answered) == ("", "", "editor-2026")


@pytest.mark.parametrize("name", ["photo.png", "f" * 32 + "_0.png"])
def test_of_a_picture_that_came_in_only_its_row_speaks(known: KnownPictures, name: str) -> None:
    by = Makers(known, [EDITOR]).made_by(f"/c/{name}", "painter", source_type="digitalCapture")
    assert by == MadeBy(source_type="digitalCapture")


def test_of_a_folder_of_drawings_and_edits_the_sources_stay_open(known: KnownPictures) -> None:
    makers = Makers(known, [EDITOR, PAINTER])
    assert makers.made_by(f"/c/all/00/{ID}_0.png", "editor").asked == "lab/editor"
    by = makers.made_by(f"/c/all/00/{DRAWING}_0.png", "painter")
    assert (by.request, by.asked, by.source_type) == (DRAWING, "", "")
    assert Makers(known, [EDITOR]).made_by(f"/c/all/00/{DRAWING}_0.png", "painter").source_type == DRAWN


def test_a_result_is_an_edit_though_its_folder_had_drawings_before(known: KnownPictures) -> None:
    makers = Makers(known, [EDITOR, PAINTER])
    assert makers.made_by(f"/c/all/00/{DRAWING}_0.png", "painter").source_type == DRAWN
    by = makers.made_by(f"/c/all/00/{ID}_0.png", "editor")
    assert (by.asked, by.licence, by.source_type) == ("lab/editor", "apache-2.0", EDITED)


def test_no_seed_is_claimed_of_an_api(known: KnownPictures) -> None:
    api: Row = {"made_by": {"editor": {"model": "gpt-image", "servers": ["api.openai.com"]}}, "workers": {}}
    by = Makers(known, [api]).made_by(f"/c/edits/00/{ID}_0.png", "editor")
    assert (by.asked, by.seed) == ("gpt-image", None)


def test_of_several_models_in_one_step_none_is_guessed(known: KnownPictures) -> None:
    both: Row = {
        "made_by": {"editor": {"model": "lab/old, lab/new", "revision": "abc"}},
        "workers": {"editor": {"licence": "mit", "other_fingerprints": [{"model": "lab/old"}]}},
    }
    by = Makers(known, [both]).made_by(f"/c/edits/00/{ID}_0.png", "editor")
    assert (by.asked, by.revision, by.licence, by.answered) == ("", "", "", "editor-2026")

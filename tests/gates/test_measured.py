"""The figures of an edit as a line, and the request for them."""

from dataclasses import replace

import pytest

from dataflow.errors import UnfitAnswer
from dataflow.gates.measured import ASKED, Measures, gauging, read_measures

FOUND = Measures(
    coarse=93.5,
    median=1.25,
    changed=0.4,
    hot=0.1,
    aspect=0.0,
    shift=(1.5, -2.0),
    zoom=(0.01, 0.0),
    turn=0.5,
    corner=3.25,
    agree=0.75,
    tiles=12,
    cast=(1.0, -1.0, 0.5),
    border=0.0,
)


def test_measures_come_back_from_their_line() -> None:
    assert read_measures(FOUND.as_json()) == FOUND
    whole = replace(FOUND, sharpness=0.9, outside=0.25)
    assert read_measures(whole.as_json()) == whole


@pytest.mark.parametrize("text", ["", "yes", "[]", "{}", '{"coarse": 1}', "null"])
def test_what_is_no_measures_is_refused(text: str) -> None:
    with pytest.raises(UnfitAnswer, match="no measures of two pictures"):
        read_measures(text)


def test_a_request_shows_the_sources_before_the_edit() -> None:
    request = gauging(["/a.png", "/b.png"], "/edit.png", "/mask.png", worker="gauge")
    assert (request.prompt, request.images) == (ASKED, ("/a.png", "/b.png", "/edit.png"))
    assert (request.makes, request.worker, request.mask) == ("text", "gauge", "/mask.png")


@pytest.mark.parametrize(("tiles", "agree", "unsure"), [(6, 0.6, False), (5, 1.0, True), (16, 0.59, True)])
def test_whether_a_picture_moved_is_known_by_tiles_that_agree(tiles: int, agree: float, unsure: bool) -> None:
    assert replace(FOUND, tiles=tiles, agree=agree).unsure is unsure

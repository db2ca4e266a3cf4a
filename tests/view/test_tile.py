"""One row on a contact sheet: where it stands among others, and how large it is."""

from pathlib import Path

import pytest
from PIL import Image

from dataflow.view.notes import Note
from dataflow.view.tile import WIDTH, make_tile

GOOD, POOR = Note("accepted, score 9.0", "#000000", ""), Note("rejected", "#000000", "still red")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (300, 200), "red").save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_rows_without_a_result_come_before_rejected_and_these_before_others(picture: Path) -> None:
    failed = make_tile(1, [picture], [], words="x", reason="refused")
    rejected = make_tile(2, [picture], [picture], words="x", notes=[POOR])
    accepted = make_tile(3, [picture], [picture, picture], words="x", notes=[POOR, GOOD])
    unjudged = make_tile(4, [picture], [picture], words="x")
    assert [each.rank for each in (failed, rejected, accepted, unjudged)] == [0, 1, 2, 2]


def test_judged_results_have_a_column_each_and_others_share_one(picture: Path) -> None:
    judged = make_tile(1, [picture], [picture] * 6, words="x", notes=[POOR] * 6)
    assert (len(judged.cells), len(judged.notes)) == (5, 4)
    plain = make_tile(1, [picture], [picture] * 6, words="x")
    assert len(plain.cells) == 2
    assert plain.cell_width > judged.cell_width


def test_a_tile_grows_with_its_words_and_draws_within_its_card(picture: Path) -> None:
    short, long = (make_tile(1, [], [picture], words=words) for words in ("x", "many words " * 30))
    assert short.height < long.height
    sheet = Image.new("RGB", (WIDTH + 40, long.height + 40), "blue")
    long.draw(sheet, (20, 20), long.height)
    edges = [sheet.getpixel(at) for at in ((19, 200), (WIDTH + 20, 200), (200, 19), (200, long.height + 20))]
    assert edges == [(0, 0, 255)] * 4
    assert sheet.getpixel((WIDTH // 2, 60)) == (255, 0, 0)

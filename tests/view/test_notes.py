"""What stands beside judged edits: accepted, rejected or unjudged, numbers, gate, critique and what was asked."""

from pathlib import Path

import pytest
from PIL import Image

from dataflow.view.contact_sheet import write_contact_sheet
from dataflow.view.notes import notes_of, refusal_of
from tests.kit.flow import draw

GOOD = {"accepted": True, "score": 9.0, "axes": {"following": 9.0, "preservation": 8.5}, "critique": "as asked"}
POOR = {"accepted": False, "score": 2.0, "axes": {"following": 2.0}, "critique": "still red", "prompt": "x", "try": 0}
NO_OP = {"accepted": False, "gate": "no_op", "prompt": "turn it blue", "try": 1}
UNREAD = {"accepted": None, "critique": "the judge's answer could not be read, or it refused to answer"}
REFUSED = {"accepted": False, "gate": "refused", "critique": "not of this person", "prompt": "x", "try": 0}


@pytest.mark.parametrize(
    ("verdict", "head", "words"),
    [
        ({**GOOD, "tries": 2}, "accepted at try 2, score 9.0", "following 9, preservation 8.5\nas asked"),
        (POOR, "rejected at try 1, score 2.0", "following 2\nstill red"),
        (NO_OP, "rejected at try 2", "gate no_op: nothing changed\nasked: turn it blue"),
        (UNREAD, "unjudged", "the judge's answer could not be read, or it refused to answer"),
        ({"accepted": True}, "accepted", ""),
        # parquet gives every row the axes of all, and what others judged may be in words
        (
            {**GOOD, "axes": {"following": 9.0, "identity": None, "mood": "fine"}},
            "accepted, score 9.0",
            "following 9\nas asked",
        ),
    ],
)
def test_a_verdict_in_words(verdict: dict[str, object], head: str, words: str) -> None:
    (note,) = notes_of(verdict, "x")
    assert (note.head, note.words) == (head, words)


def test_each_picture_has_its_own_note_and_a_refused_one_has_no_picture() -> None:
    assert [note.head[:8] for note in notes_of([REFUSED, POOR, GOOD], "x")] == ["rejected", "accepted"]
    pair = {"axis": "following", "margin": 7.0, "verdicts": [GOOD, POOR]}
    assert [note.head[:8] for note in notes_of(pair, "x")] == ["accepted", "rejected"]


@pytest.mark.parametrize("verdict", [None, "accepted", 7, {}, [], [None], {"verdicts": []}])
def test_what_is_no_verdict_makes_no_note(verdict: object) -> None:
    assert notes_of(verdict, "x") == []


def test_a_row_of_which_the_editor_refused_all_says_why() -> None:
    assert refusal_of([REFUSED]) == "the editor refused: not of this person"
    assert refusal_of([POOR]) == refusal_of(None) == ""


@pytest.mark.parametrize(
    "verdict", [GOOD, [NO_OP, POOR], {"axis": "following", "margin": 7.0, "verdicts": [GOOD, POOR]}]
)
def test_the_contact_sheet_shows_verdicts(tmp_path: Path, verdict: object) -> None:
    edits = [str(draw(tmp_path / f"{at}.png", "blue")) for at in range(2 if verdict != GOOD else 1)]
    row = {"images": [str(draw(tmp_path / "a.png"))], "conversations": "x", "edited_images": edits}
    sizes, contents = [], []
    for each in (row, {**row, "verdict": verdict}):
        made = write_contact_sheet(
            [each],
            tmp_path / "sheet.png",
            image_key="images",
            conversation_key="conversations",
            output_key="edited_images",
            resolve=Path,
        )
        assert made is not None
        with Image.open(made) as sheet:
            sizes.append(sheet.size)
            contents.append(sheet.tobytes())
    assert sizes[0][0] == sizes[1][0]
    assert contents[0] != contents[1]

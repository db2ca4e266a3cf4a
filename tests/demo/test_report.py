"""The table of results, beside what the rows say must come out."""

import pytest
from rich.cells import cell_len

from dataflow.demo.report import MOST, WIDTH, verdicts
from dataflow.demo.truth import TRUTH, as_truth
from dataflow.demo.world import Scene, Shape, draw

RIGHT = Scene((Shape("star", "red", "large", 30, 30),), "white")
WRONG = Scene((Shape("star", "green", "large", 30, 30),), "white")


@pytest.fixture
def folder(tmp_path):
    draw(RIGHT).save(tmp_path / "right.png")
    draw(WRONG).save(tmp_path / "wrong.png")
    return tmp_path


def row(*made, words="make it red", **columns):
    scenes = {name: [RIGHT] * max(1, len(names)) for name, names in columns.items()}
    truth = as_truth({**scenes, "edited_images": [RIGHT]})
    return {"conversations": [{"content": words}], "edited_images": [*made], **columns, TRUTH: truth}


def table(folder, *rows):
    return verdicts(rows, conversation_key="conversations", output_key="edited_images", resolve=folder.joinpath)


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (("right.png",), "right"),
        (("wrong.png",), "wrong: colour"),
        ((), "failed"),
        (("",), "failed"),
        (("right.png", "wrong.png", "right.png"), "2 of 3 right"),
    ],
)
def test_the_verdict_says_what_the_picture_shows(folder, made, verdict):
    assert table(folder, row(*made)).splitlines()[1].endswith(f"  {verdict}")


def test_a_judged_row_says_at_which_try_it_was_accepted_and_of_a_rejected_one_the_last_try_is_checked(folder):
    accepted = {**row("right.png"), "verdict": {"accepted": True, "tries": 2}}
    rejected = {**row("right.png", "wrong.png"), "verdict": [{"accepted": False}] * 2}
    head, first, second, total = table(folder, accepted, rejected).splitlines()
    assert head.split() == ["instruction", "accepted", "checked"]
    assert first.split()[-4:] == ["at", "try", "2", "right"]
    assert second.split()[-3:] == ["rejected", "wrong:", "colour"]
    assert total == "edited_images: 1 of 2 right"


def test_a_wrong_result_of_a_wrong_drawing_is_the_drawings_fault(folder):
    drawings = {"input_image": ["right.png", "wrong.png"]}
    assert "wrong: drawing 2" in table(folder, row("wrong.png", **drawings))
    assert table(folder, row("right.png", **drawings)).splitlines()[1].endswith("  right")


def test_a_row_that_failed_for_want_of_an_instruction_has_its_line(folder):
    assert table(folder, {**row(), "conversations": []}).splitlines()[1].split() == [
        "1",
        "(no",
        "instruction)",
        "failed",
    ]


def test_totals_count_the_pictures_of_each_column_and_failed_rows_as_wrong(folder):
    rows = [row("right.png", input_image=["right.png", "wrong.png"]), row("wrong.png"), row()]
    assert table(folder, *rows).splitlines()[-2:] == ["input_image: 1 of 2 right", "edited_images: 1 of 3 right"]


def test_chinese_counts_two_columns_and_nothing_is_cut_off(folder):
    said = {
        "long": "put the purple triangle from the first image to the right of the orange square in the second image",
        "chinese": "将第一张图中的小号紫色三角形添加到第二张图中的大号橙色正方形的右侧，然后把背景变成深蓝色，再移除",
        "markup": "[bold]make[/bold] the [red] star",
    }
    for judged in ({}, {"verdict": {"accepted": True, "tries": 1}}):
        text = table(folder, *({**row("wrong.png", words=words), **judged} for words in said.values()))
        assert max(map(cell_len, text.splitlines())) <= WIDTH
        for words in said.values():
            found = text.replace("wrong: colour", "").replace("at try 1", "")
            assert "".join(words.split()) in "".join(found.split())


def test_verdicts_stand_below_each_other(folder):
    lines = table(folder, row("right.png", words="变成红色"), row("right.png", words="red")).splitlines()
    assert cell_len(lines[1].partition("right")[0]) == cell_len(lines[2].partition("right")[0])


def test_rows_without_truth_make_no_table_and_only_the_first_is_read(folder):
    def rows():
        yield {"conversations": "x", "edited_images": ["right.png"]}
        raise AssertionError("read too far")

    assert verdicts(rows(), conversation_key="conversations", output_key="edited_images", resolve=folder.joinpath) == ""


def test_a_long_run_prints_its_first_rows_and_counts_all(folder):
    text = table(folder, *[row("right.png")] * (MOST + 5))
    assert len(text.splitlines()) == 1 + MOST + 1
    assert text.splitlines()[-1] == f"edited_images: {MOST + 5} of {MOST + 5} right"

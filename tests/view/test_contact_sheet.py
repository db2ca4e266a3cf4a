"""The sheet shows pictures, words and failures, reads no further than it must, and survives bad rows."""

from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from dataflow.errors import RowError
from dataflow.view.contact_sheet import write_contact_sheet

RED, BLUE, FAILED = (200, 30, 40), (30, 60, 200), (251, 238, 235)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (300, 200), RED).save(tmp_path / "red.png")
    Image.new("RGB", (200, 200), BLUE).save(tmp_path / "blue.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path


def row(
    images: object = "red.png", edited: object = "blue.png", words: object = "把它变成蓝色。Make it blue."
) -> dict[str, object]:
    return {"images": images, "conversations": [{"role": "user", "content": words}], "edited_images": edited}


def sheet_of(
    folder: Path, rows: Iterator[Mapping[str, object]] | list[dict[str, object]], **options: object
) -> Image.Image | None:
    def resolve(name: str) -> Path:
        if name == "nowhere.png":
            raise RowError("picture 'nowhere.png' is nowhere")
        return folder / name

    made = write_contact_sheet(
        rows,
        folder / "sheets" / "sheet.png",
        image_key="images",
        conversation_key="conversations",
        output_key="edited_images",
        resolve=resolve,
        **options,  # type: ignore[arg-type]
    )
    if made is None:
        return None
    assert [path.name for path in made.parent.iterdir()] == ["sheet.png"]
    with Image.open(made) as sheet:
        assert sheet.format == "PNG"
        return sheet.convert("RGB")


def test_drawings_take_the_whole_width(folder: Path) -> None:
    edited, drawn = sheet_of(folder, [row(edited="red.png")]), sheet_of(folder, [row(images=None, edited="red.png")])
    assert edited is not None
    assert drawn is not None
    assert extent(drawn, RED)[0] == extent(edited, RED)[0]
    assert extent(drawn, RED)[2] > 0.65 * drawn.width


def extent(sheet: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """The box around all pixels of a colour; empty where there is none."""
    channels = zip(sheet.split(), colour, strict=True)
    masks = [band.point([255 * (level == wanted) for level in range(256)]) for band, wanted in channels]
    mask = reduce(ImageChops.multiply, masks)
    return mask.getbbox() or (0, 0, 0, 0)


def test_before_stands_left_and_after_right_each_in_its_shape(folder: Path) -> None:
    sheet = sheet_of(folder, [row()])
    assert sheet is not None
    red, blue = extent(sheet, RED), extent(sheet, BLUE)
    assert red[2] < sheet.width // 2 < blue[0]
    assert (red[2] - red[0]) / (red[3] - red[1]) == pytest.approx(1.5, abs=0.02)
    assert blue[2] - blue[0] == blue[3] - blue[1] > 180
    words = sheet.crop((0, blue[3] + 4, sheet.width, sheet.height))
    assert len(words.getcolors(100_000) or []) > 10


def test_rows_fill_a_grid_of_three_columns_with_failures_first(folder: Path) -> None:
    one, seven = sheet_of(folder, [row()]), sheet_of(folder, [*[row()] * 6, row(edited=[])])
    assert one is not None
    assert seven is not None
    assert seven.width > 2.7 * one.width
    assert seven.height < 3.5 * one.height
    failed = extent(seven, FAILED)
    assert failed[2] < one.width
    assert failed[1] < 120, "the last row failed, and stands first"


def test_several_edits_stand_beside_each_other_on_their_card(folder: Path) -> None:
    Image.new("RGB", (64, 64), BLUE).save(folder / "small.png")
    verdicts = [{"accepted": False, "score": 2.0}] * 3
    sheet = sheet_of(folder, [{**row(images="small.png", edited=["small.png"] * 3), "verdict": verdicts}])
    assert sheet is not None
    _, top, right, bottom = extent(sheet, BLUE)
    assert right < sheet.width - 40, "none leaves the card"
    assert 80 < bottom - top < 120


def test_a_rejected_row_stands_before_an_accepted_one(folder: Path) -> None:
    accepted = {**row(edited="blue.png"), "verdict": {"accepted": True, "score": 9.0}}
    rejected = {**row(edited="red.png", images=None), "verdict": {"accepted": False, "gate": "no_op"}}
    sheet = sheet_of(folder, [accepted, rejected])
    assert sheet is not None
    assert extent(sheet, BLUE)[0] > sheet.width // 2


@pytest.mark.parametrize("edited", [[], [""], "", None])
def test_an_empty_result_is_a_failed_row(folder: Path, edited: object) -> None:
    sheet = sheet_of(folder, [row(edited=edited)])
    assert sheet is not None
    left, _, right, _ = extent(sheet, FAILED)
    assert left > extent(sheet, RED)[2]
    assert right - left > 180


def test_the_reason_of_a_failure_is_written(folder: Path) -> None:
    rows = [row(), row(edited=[])]
    plain = sheet_of(folder, rows)
    with_reason = sheet_of(folder, rows, reasons={1: "refused by the provider: " + "content policy " * 200})
    assert plain is not None
    assert with_reason is not None
    assert plain.size == with_reason.size
    assert plain.tobytes() != with_reason.tobytes()


@pytest.mark.parametrize("number", [2, 3, 4, 7, 30])
def test_several_pictures_share_the_column(folder: Path, number: int) -> None:
    sheet = sheet_of(folder, [row(images=["red.png"] * number)])
    assert sheet is not None
    left, top, right, bottom = extent(sheet, RED)
    assert 0 < left < right < sheet.width // 2
    assert bottom - top < 480


@pytest.mark.parametrize(
    "bad",
    [
        {},
        row(images=["missing.png", "broken.png", "nowhere.png"], edited=["broken.png"]),
        row(images=7, edited=[None, {"path": 1}], words=7),
        {"conversations": "only words", "edited_images": ["blue.png"]},
        row(words="词" * 5000),
        row(words="\x00\U0001f600\u202e"),
    ],
)
def test_a_row_that_cannot_be_shown_whole_is_shown_in_part(folder: Path, bad: dict[str, object]) -> None:
    sheet = sheet_of(folder, [bad, row()])
    assert sheet is not None
    assert extent(sheet, RED)[3] > 0
    assert sheet.height < 1100


def test_no_rows_make_no_file(folder: Path) -> None:
    assert sheet_of(folder, []) is None
    assert not (folder / "sheets").exists()


def test_rows_beyond_the_limit_are_not_read(folder: Path) -> None:
    def endless() -> Iterator[Mapping[str, object]]:
        for k in range(3):
            yield row(words=str(k))
        raise AssertionError("read too far")

    assert sheet_of(folder, endless(), limit=3) is not None


def test_an_instruction_that_ends_in_half_an_emoji_is_drawn(folder: Path) -> None:
    sheet = sheet_of(folder, [row(words="Make it blue \ud83d"), row(words="\udce9")])
    assert sheet is not None
    assert extent(sheet, RED) != (0, 0, 0, 0)

"""Each check provoked: the row is named and stops the export, and with `skip` it alone stays behind."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataflow.core.records import Row
from dataflow.errors import ConfigError
from dataflow.export import export
from dataflow.export.checks import canvas_of, tokens_of
from dataflow.export.findings import KINDS
from tests.kit.exports import STEP, Rows, cache_of, of_pictures, photo, row
from tests.kit.flow import read_rows
from tests.kit.formats import pair_of


def second(**columns: object) -> Rows:
    """Two rows, of which the second has other columns."""
    return lambda folder: [row(folder, 1), row(folder, 2, **columns)]


def no_op(folder: Path) -> list[Row]:
    good, bad = row(folder, 1), row(folder, 2)
    return [good, {**bad, "edited_images": bad["images"]}]


def same_pixels(folder: Path) -> list[Row]:
    good, other = row(folder, 1), row(folder, 2)
    return [good, {**other, "images": good["images"], "edited_images": good["edited_images"]}]


def same_words(folder: Path) -> list[Row]:
    good, other = row(folder, 1), row(folder, 2)
    said = [{"role": "user", "content": "  Paint thing number 1   BLUE "}]
    return [good, {**other, "images": good["images"], "conversations": said}]


def aspect(folder: Path) -> list[Row]:
    wide = photo(folder / "wide.png", 7, (400, 256))
    return [row(folder, 1), row(folder, 2, images=[str(wide)])]


PROVOKED: Mapping[str, Rows] = {
    "broken": second(images={"not": "a list"}),
    "missing": of_pictures("gone.png", None),
    "no_op": no_op,
    "aspect": aspect,
    "same_pixels": same_pixels,
    "same_words": same_words,
    "same_id": second(id="row_1"),
    "caption": second(conversations=[{"role": "user", "content": " "}]),
    "long": second(conversations=[{"role": "user", "content": "改一下" * 200}]),
    "licence": second(licence="CC-BY-ND-4.0"),
    "mixed_licence": lambda folder: [row(folder, 1, licence="CC0"), row(folder, 2, license="CC BY-NC 2.0")],
    "some_licence": lambda folder: [row(folder, 1, licence="CC0"), row(folder, 2)],
}
ELSEWHERE = {"changed", "two_splits"}


def test_every_error_is_provoked_here() -> None:
    assert {name for name, kind in KINDS.items() if kind.is_error} == set(PROVOKED) | ELSEWHERE


@pytest.mark.parametrize("kind", PROVOKED)
def test_a_row_with_this_stops_the_export_and_skip_leaves_it_out(tmp_path: Path, kind: str) -> None:
    cache = cache_of(tmp_path / "cache", PROVOKED[kind](tmp_path))
    with pytest.raises(ConfigError) as refused:
        export(cache, "musubi", tmp_path / "out")
    said = str(refused.value)
    assert f"error: 1 row: {KINDS[kind].says}\n    {STEP}.jsonl:2" in said
    assert "leave them out with --skip" in said
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("out")) == []
    done = export(cache, "musubi", tmp_path / "out", skip=True)
    assert done.findings[kind] == 1
    assert [line["caption"] for line in read_rows(tmp_path / "out/musubi/train_inputs_1.jsonl")] == [
        "paint thing number 1 blue"
    ]


def test_a_picture_in_two_splits_is_found(tmp_path: Path) -> None:
    """Each row refers to the source of the next one, which is in another split now and then."""
    rows = [row(tmp_path, number) for number in range(16)]
    for one, other in pairwise(rows):
        one["images"] = [*one["images"], other["images"][0]]
    cache = cache_of(tmp_path / "cache", rows)
    with pytest.raises(ConfigError, match=KINDS["two_splits"].says):
        export(cache, "musubi", tmp_path / "out", split="test=40%")
    export(cache, "musubi", tmp_path / "out", split="test=40%", skip=True)
    pixels: dict[str, set[bytes]] = {"train": set(), "test": set()}
    for split, found in pixels.items():
        found.update(path.read_bytes() for path in (tmp_path / "out" / split).rglob("*.png"))
    assert pixels["train"]
    assert pixels["test"]
    assert not pixels["train"] & pixels["test"]


def test_sources_of_another_shape_are_left_out_or_padded(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "cache", aspect(tmp_path))
    skipped = export(cache, "musubi", tmp_path / "skipped", sizes="skip")
    assert skipped.left_out == {"of another shape": 1}
    assert skipped.formats == {"musubi": 1}
    export(cache, "musubi", tmp_path / "padded", sizes="pad")
    with Image.open(tmp_path / "padded/inputs_1/control_1/row_2.png") as image:
        pixels = np.asarray(image)
    assert pixels.shape == (320, 400, 3)  # the least canvas of 320 x 256's shape that holds 400 x 256
    assert (pixels[:32] == 255).all()
    assert (pixels[-32:] == 255).all()
    with Image.open(tmp_path / "wide.png") as image:
        assert (pixels[32:-32] == np.asarray(image)).all()


def test_masks_of_one_content_tie_no_splits_together(tmp_path: Path) -> None:
    Image.new("L", (320, 256), "white").save(tmp_path / "mask.png")
    rows = [row(tmp_path, number, mask=str(tmp_path / "mask.png")) for number in range(12)]
    done = export(cache_of(tmp_path / "cache", rows), "ai-toolkit", tmp_path / "out", split="test=40%")
    assert "two_splits" not in done.findings
    assert done.splits.keys() == {"train", "test"}


def test_shapes_of_several_inputs_may_differ(tmp_path: Path) -> None:
    wide = photo(tmp_path / "wide.png", 7, (400, 256))
    one = row(tmp_path, 1)
    cache = cache_of(tmp_path / "cache", [{**one, "images": [*one["images"], str(wide)]}])
    assert export(cache, "musubi", tmp_path / "out").formats == {"musubi": 1}


def test_more_inputs_than_a_format_takes_are_refused_or_left_out_of_it_alone(tmp_path: Path) -> None:
    two = row(tmp_path, 2)
    cache = cache_of(
        tmp_path / "cache", [row(tmp_path, 1), {**two, "images": [*two["images"], *row(tmp_path, 3)["images"]]}]
    )
    with pytest.raises(ConfigError, match="step1x takes 1 input picture, and this has more"):
        export(cache, "step1x,musubi", tmp_path / "out")
    for dry_run in (True, False):
        done = export(cache, "step1x,musubi", tmp_path / "out", skip=True, dry_run=dry_run)
        assert done.formats == {"step1x": 1, "musubi": 2}


def test_what_several_formats_refuse_stands_in_one_error(tmp_path: Path) -> None:
    marked = pair_of(tmp_path, 1, 1, conversations=[{"role": "user", "content": "put <image> on it"}])
    odd = pair_of(tmp_path, 2, 1)
    photo(Path(odd["edited_images"][1]), 7, size=(256, 256))
    cache = cache_of(tmp_path / "cache", [row(tmp_path, 9)], pairs=[marked, odd])
    with pytest.raises(ConfigError, match="ms-swift takes an instruction's <image> for a picture") as refused:
        export(cache, "ms-swift,simpletuner-dpo", tmp_path / "out")
    assert "two edits of one size, and these differ" in str(refused.value)
    assert f"{STEP}.pairs.jsonl:1" in str(refused.value)
    assert f"{STEP}.pairs.jsonl:2" in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("note", "rows"),
    [
        ("size", lambda folder: [row(folder, 1, images=[str(photo(folder / "half.png", 3, (640, 512)))])]),
        ("small", lambda folder: [row(folder, 1, images=[str(photo(folder / "s.png", 3, (160, 128)))])]),
        ("odd", lambda folder: [row(folder, 1, images=[str(photo(folder / "o.png", 3, (325, 260)))])]),
        ("baked", lambda folder: [row(folder, 1, images=[str(photo(folder / "g.png", 3, mode="L"))])]),
        ("name", lambda folder: [row(folder, 1, id="../Übermut 1")]),
        ("lines", lambda folder: [row(folder, 1, conversations="one\ntwo")]),
        ("no_licence", lambda folder: [row(folder, 1)]),
        ("sale", lambda folder: [row(folder, 1, licence="cc-by-nc-4.0")]),
        ("more_captions", lambda folder: [row(folder, 1, instructions=["other words"])]),
    ],
)
def test_a_note_is_told_and_stops_nothing(tmp_path: Path, note: str, rows: Rows) -> None:
    done = export(cache_of(tmp_path / "cache", rows(tmp_path)), "musubi", tmp_path / "out")
    assert done.findings[note] == 1
    assert any(KINDS[note].says in line for line in done.table)
    assert done.formats == {"musubi": 1}


def test_canvases_and_tokens() -> None:
    assert canvas_of((400, 256), (320, 256)) == (400, 320)
    assert canvas_of((100, 300), (320, 256)) == (375, 300)
    assert tokens_of("make the sky blue") == 4
    assert tokens_of("改一下") == 3

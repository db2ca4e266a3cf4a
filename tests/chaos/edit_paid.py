"""The process of the money tests: one edit operator over an address that charges, with a limit.

python -m tests.chaos.edit_paid URL FOLDER MAX_COST
"""

import sys
from pathlib import Path

from dataflow.core.retry import RetryPolicy
from dataflow.flow.summary import Summary
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.scripts.run import run_script
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage

# Bounds as a user would write them: they hold for what the loopback server answers, and no more than that.
PRICES = {"paid": {"input": 5, "output": 40, "most_input": 4000, "most_picture": 260, "most_output": 1300}}
WIDTH = 8


def edit(url: str, folder: Path, max_cost: float) -> Summary:
    """Edit `folder/rows.jsonl` into `folder/cache`."""
    storage = FileStorage(folder / "rows.jsonl", folder / "cache", max_cost=max_cost, prices=PRICES)
    images = ImageIO(str(folder / "cache" / "images"))
    serving = APIVLMServing_openai(url, model_name="paid", image_io=images, max_workers=WIDTH)
    serving.retry = RetryPolicy(retries=4, base=0.01)
    return PromptedImageEditGenerator(serving).run(storage.step(), output_image_key="edited_images")


def forked(url: str, folder: Path, max_cost: float) -> None:
    """What a forked process runs; what it says goes to `folder/said.txt`."""
    with (folder / "said.txt").open("a", encoding="utf-8") as said:
        sys.stdout = sys.stderr = said
        sys.exit(run_script(lambda: edit(url, folder, max_cost)))


if __name__ == "__main__":
    sys.exit(run_script(lambda: edit(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))))

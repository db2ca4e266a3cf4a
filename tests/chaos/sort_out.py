"""The process that the kill test of side outputs kills: of each three edits one is dropped and one kept twice.

python -m tests.chaos.sort_out URL FOLDER
"""

import sys
from pathlib import Path

from dataflow.core.records import Request, Row, Side
from dataflow.core.retry import RetryPolicy
from dataflow.flow.recipe import Recipe, Steps
from dataflow.flow.runner import run_step
from dataflow.io import ImageIO
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage


def steps(row: Row) -> Steps:
    (answer,) = yield [Request(row["conversations"], (row["images"],))]
    answer.raise_for_error()
    edited = {**row, "edited_images": [picture.path for picture in answer.pictures]}
    match row["number"] % 3:
        case 0:
            return [Side("dropped", edited)]
        case 1:
            return [edited, Side("kept_twice", edited)]
    return [edited]


def main(url: str, folder: Path) -> None:
    storage = FileStorage(folder / "rows.jsonl", folder / "cache")
    serving = APIVLMServing_openai(url, model_name="loopback", image_io=ImageIO(str(folder / "cache" / "images")))
    serving.retry = RetryPolicy(retries=3, base=0.01)
    workers, sides = {"worker": serving}, ("dropped", "kept_twice", "never")
    recipe = Recipe("SortOut", steps, workers, ("images", "conversations"), None, sides=sides)
    run_step(recipe, storage.step())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

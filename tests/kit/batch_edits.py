"""One edit operator whose requests go into batch files: what the tests of batches run, here or in a process."""

import sys
from pathlib import Path

from dataflow.core.retry import RetryPolicy
from dataflow.errors import Failure
from dataflow.flow.summary import Summary
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.pools.executor import close_pools
from dataflow.scripts.run import run_script
from dataflow.serving.api.batches.contract import Intervals
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.dialects import Format
from dataflow.utils.storage import FileStorage

QUICK = Intervals(gather=0.05, gather_most=5.0, poll=0.02, listing=0.3, resubmit=0.05, report=0.05, give_up=5.0)

TAG = "0a" * 16
"""The tag of a batch."""
LOST = Failure(
    "retry", "no answer", said="reset", maybe_paid=True, usage={"images": 1.0}, retries=1, wait=9.0, outage=True
)
"""The failure of a request whose reply was lost."""


def serving_of(url: str, folder: Path, api_format: Format, intervals: Intervals = QUICK) -> APIVLMServing_openai:
    """A serving that asks in batches and does not wait long for anything."""
    images = ImageIO(str(folder / "cache" / "images"))
    serving = APIVLMServing_openai(url, model_name="loopback", image_io=images, api_format=api_format, batch=True)
    serving.batch_intervals = intervals
    serving.retry = RetryPolicy(retries=serving.retry.retries, base=0.01)
    return serving


def edit(url: str, folder: Path, api_format: Format = "images", intervals: Intervals = QUICK) -> Summary:
    """Edit `folder/rows.jsonl` into `folder/cache`, in a pool of its own."""
    storage = FileStorage(folder / "rows.jsonl", folder / "cache")
    serving = serving_of(url, folder, api_format, intervals)
    try:
        return PromptedImageEditGenerator(serving).run(storage.step(), output_image_key="edited_images")
    finally:
        close_pools()


def records_left(folder: Path) -> list[str]:
    """The names of the files that batches have left beside the pictures."""
    return [path.name for path in (folder / "cache/images/.batches").rglob("*") if path.is_file()]


def forked(url: str, folder: Path, api_format: Format) -> None:
    """What a forked process runs; what it says goes to `folder/said.txt`."""
    with (folder / "said.txt").open("a", encoding="utf-8") as said:
        sys.stdout = sys.stderr = said
        sys.exit(run_script(lambda: edit(url, folder, api_format)))


if __name__ == "__main__":
    sys.exit(run_script(lambda: edit(sys.argv[1], Path(sys.argv[2]), sys.argv[3])))  # type: ignore[arg-type]

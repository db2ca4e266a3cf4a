"""The process that the chaos tests stop, starve and lock out: one edit operator over one address.

python -m tests.chaos.edit_once URL FOLDER [PICTURES]
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

WIDTH = 8


def edit(url: str, folder: Path, pictures: Path | None = None) -> Summary:
    """Edit `folder/rows.jsonl` into `folder/cache`."""
    storage = FileStorage(folder / "rows.jsonl", folder / "cache")
    images = ImageIO(str(pictures or folder / "cache" / "images"))
    serving = APIVLMServing_openai(url, model_name="loopback", image_io=images, max_workers=WIDTH)
    serving.retry = RetryPolicy(retries=3, base=0.01)
    return PromptedImageEditGenerator(serving).run(storage.step(), output_image_key="edited_images")


def main(url: str, folder: Path, pictures: Path | None = None) -> int:
    """Edit as a script does: prints what it came to, returns the exit code."""

    def run() -> Summary:
        summary = edit(url, folder, pictures)
        print(summary, flush=True)
        return summary

    return run_script(run)


def forked(url: str, folder: Path) -> None:
    """What a forked process runs; what it says goes to `folder/said.txt`."""
    with (folder / "said.txt").open("a", encoding="utf-8") as said:
        sys.stdout = sys.stderr = said
        sys.exit(main(url, folder))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), *map(Path, sys.argv[3:])))

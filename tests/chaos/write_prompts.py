"""The process that the kill test of stage one kills: descriptions and instructions over one address.

python -m tests.chaos.write_prompts URL FOLDER ROWS [SETTINGS]
"""

import json
import sys
from pathlib import Path

from dataflow.core.retry import RetryPolicy
from dataflow.operators.core_text import EditPromptGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage


def main(url: str, folder: Path, rows: int, settings: str = "{}") -> None:
    serving = APIVLMServing_openai(url, model_name="scribe", max_workers=8)
    serving.retry = RetryPolicy(retries=3, base=0.01)
    storage = FileStorage(cache_path=folder / "cache")
    EditPromptGenerator(serving, n=rows, **json.loads(settings)).run(storage.step())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])

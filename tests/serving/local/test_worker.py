"""What every local serving does the same way."""

import subprocess
import sys

from dataflow.demo.packaged import MODEL

SCRIPT = """
import asyncio
import sys
from dataflow.io import ImageIO
from dataflow.serving.local_image_gen_serving import LocalImageGenServing

async def open_both():
    servings = [
        LocalImageGenServing(ImageIO(sys.argv[2]), hf_model_name_or_path=sys.argv[1], Image_gen_task=task, device="cpu")
        for task in ("text2image", "imageedit")
    ]
    for serving in servings:
        serving.prepare()
        serving.settle()
    await asyncio.gather(*(serving.setup() for serving in servings))
    await asyncio.gather(*(serving.close() for serving in servings))

asyncio.run(open_both())
"""


def test_two_models_are_opened_at_once_in_a_process_that_has_loaded_none(tmp_path: object) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, MODEL, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]

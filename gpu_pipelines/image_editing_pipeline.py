"""Edit pictures as instructed: rows with `images` and `conversations` in, `edited_images` out.

python image_editing_pipeline.py                            # shows every part at work, without a model
export DF_API_KEY=<api_key>
python image_editing_pipeline.py --api_url <your_url>       # an online model, nano-banana by default
"""

import os
import sys

from dataflow.cli.pipeline import Options, parse_options, report, run_script
from dataflow.core.progress import Summary
from dataflow.demo.marker import MarkerServer
from dataflow.errors import ConfigError
from dataflow.io import ImageIO
from dataflow.operators.core_vision import PromptedImageEditGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage

API_MODEL = "gemini-2.5-flash-image"  # nano-banana
CACHE_PATH = "./cache_local/image_editing"


class ImageGenerationPipeline:
    """The guide's editing pipeline: one step, from `images` and `conversations` to `edited_images`.

    Args:
        serving_type: "api" for an OpenAI-compatible address, "demo" for a server in this process that draws the
            instruction on the picture.
        api_key: of the address; default: the environment's DF_API_KEY.
        api_url: the address; default: the environment's DF_BASE_URL.
        model: its name at the address.
        first_entry_file_name: the input rows.
        cache_path: folder of the results; pictures go to its `target_images`.
        limit: only the first rows.
    """

    def __init__(
        self,
        serving_type: str = "demo",
        api_key: str | None = None,
        api_url: str | None = None,
        *,
        model: str | None = None,
        first_entry_file_name: str = "../example_data/image_gen/image_edit/prompts.jsonl",
        cache_path: str = CACHE_PATH,
        limit: int | None = None,
    ) -> None:
        if api_key:
            os.environ["DF_API_KEY"] = api_key
        self.storage = FileStorage(
            first_entry_file_name=first_entry_file_name,
            cache_path=cache_path,
            file_name_prefix="dataflow_cache_step",
            cache_type="jsonl",
            limit=limit,
        )
        image_io = ImageIO(save_path=os.path.join(cache_path, "target_images"))
        if serving_type == "local":
            raise ConfigError("local editing models are not part of this version: use --serving_type api or demo")
        if serving_type == "demo":
            self.server = MarkerServer()
            self.server.start()
            api_url, model = self.server.url, "demo-marker"
        self.serving = APIVLMServing_openai(api_url=api_url, model_name=model or API_MODEL, image_io=image_io)
        self.generator = PromptedImageEditGenerator(image_edit_serving=self.serving, save_interval=10)

    def forward(self) -> Summary:
        """Edit every row; safe to call again."""
        return self.generator.run(
            storage=self.storage.step(),
            input_image_key="images",
            input_conversation_key="conversations",
            output_image_key="edited_images",
        )


def _options() -> Options:
    return parse_options(__doc__ or "", example="image_edit", script=__file__, cache_path=CACHE_PATH)


def main() -> Summary:
    """Run the pipeline with the flags of the command line."""
    options = _options()
    pipeline = ImageGenerationPipeline(
        options.serving_type,
        options.api_key,
        options.api_url,
        model=options.model,
        first_entry_file_name=options.input,
        cache_path=options.cache_path,
        limit=options.limit,
    )
    summary = pipeline.forward()
    report(
        summary,
        pipeline.storage.current,
        image_key="images",
        conversation_key="conversations",
        output_key="edited_images",
    )
    return summary


if __name__ == "__main__":
    sys.exit(run_script(main))

"""Edit pictures as instructed.

Rows with `images` and `conversations` in; `edited_images` out.

# the small demo model of the package, on any machine
python image_editing_pipeline.py
# a model on this machine, FLUX.1-Kontext by default
python image_editing_pipeline.py --serving_type local
# an online model, nano-banana 2 by default
export DF_API_KEY=<api_key>
python image_editing_pipeline.py --api_url <your_url>
# only edits that a judge accepts, after two tries at most
python image_editing_pipeline.py --api_url <your_url> --judge_model <name>
"""

import os
import sys
from collections.abc import Sequence

from dataflow.core.run_options import RunOptions
from dataflow.flow.summary import Summary
from dataflow.scripts.judging import Judging, make_editor
from dataflow.scripts.options import Options, Script, ShownColumns, choose
from dataflow.scripts.run import run_pipeline
from dataflow.scripts.servings import make_serving
from dataflow.serving.dialects import Format
from dataflow.utils.storage import FileStorage

CACHE_PATH = "./cache_local/image_editing"


class ImageGenerationPipeline:
    """The guide's editing pipeline: one step, from `images` and `conversations` to `edited_images`.

    Args:
        serving_type: "local" for a model on this machine, "api" for an OpenAI-compatible address, "demo" for the
            small model in the package, which edits drawn shapes; None: chosen as on the command line.
        api_key: the address's key; None: the environment's DF_API_KEY.
        api_url: the address; None: the environment's DF_BASE_URL.
        api_format: wire format of the address for pictures; None: the address and the model's name decide.
        picture_hosts: the user's own servers from which pictures are fetched that a reply only names.
        model: the model's name at the address, a folder, or its name on the hub; None: the guide's.
        first_entry_file_name: file of the input rows; None: the example rows.
        judging: a judge accepts edits, and rejected ones are tried again; None: nobody judges.
        cache_path: folder of the results; pictures go to its `target_images`.
        options: how many rows run, and what they may cost; None: all rows, and DF_MAX_COST.

    Raises:
        ConfigError: no model is there for the user's rows, which the demo model takes only with serving_type="demo".
    """

    def __init__(
        self,
        serving_type: str | None = None,
        api_key: str | None = None,
        api_url: str | None = None,
        *,
        api_format: Format | None = None,
        picture_hosts: Sequence[str] = (),
        model: str | None = None,
        first_entry_file_name: str | None = None,
        judging: Judging | None = None,
        cache_path: str = CACHE_PATH,
        options: RunOptions | None = None,
    ) -> None:
        if api_key:
            os.environ["DF_API_KEY"] = api_key
        models = {"model": model, "judge_model": judging.model_here if judging else None}
        chosen = choose(SCRIPT, serving_type, first_entry_file_name, api_url=api_url, models=models)
        self.storage = FileStorage(chosen.rows, cache_path, options=options)
        target_images = os.path.join(cache_path, "target_images")
        self.serving = make_serving(
            chosen.serving_type,
            "imageedit",
            target_images,
            model=model,
            api_url=api_url,
            api_format=api_format,
            picture_hosts=picture_hosts,
        )
        self.generator = make_editor(self.serving, chosen.serving_type, judging, api_url=api_url)

    def forward(self) -> list[Summary]:
        """Edit every row; safe to call again."""
        edited = self.generator.run(
            storage=self.storage.step(),
            input_image_key="images",
            input_conversation_key="conversations",
            output_image_key="edited_images",
        )
        return [edited]


SCRIPT = Script(
    __doc__ or "",
    __file__,
    CACHE_PATH,
    models={"model": "imageedit"},
    shown=ShownColumns("images", "conversations", "edited_images"),
    example="image_edit",
    judging="asked",
)


def build(options: Options) -> ImageGenerationPipeline:
    """The pipeline that the flags ask for."""
    return ImageGenerationPipeline(
        options.serving_type,
        api_url=options.api_url,
        api_format=options.api_format,
        picture_hosts=options.picture_hosts,
        model=options.model,
        first_entry_file_name=options.input,
        judging=options.judging,
        cache_path=options.cache_path,
        options=options.run,
    )


if __name__ == "__main__":
    sys.exit(run_pipeline(SCRIPT, build))

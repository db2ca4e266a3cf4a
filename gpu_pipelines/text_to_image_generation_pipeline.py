"""Draw pictures as described: rows with `conversations` in, `images` out.

# the small demo model of the package, on any machine
python text_to_image_generation_pipeline.py
# a model on this machine, FLUX.1-dev by default
python text_to_image_generation_pipeline.py --serving_type local
# an online model, nano-banana 2 by default
export DF_API_KEY=<api_key>
python text_to_image_generation_pipeline.py --api_url <your_url>
# only drawings that a judge at that address accepts, drawn again at most twice
python text_to_image_generation_pipeline.py --judge_model <name>
"""

import os
import sys
from collections.abc import Sequence

from dataflow.core.run_options import RunOptions
from dataflow.flow.summary import Summary
from dataflow.judging.verdict import CONDITION
from dataflow.scripts.judging import Judging, make_drawer
from dataflow.scripts.options import Options, Script, ShownColumns, choose
from dataflow.scripts.run import run_pipeline
from dataflow.scripts.servings import make_serving
from dataflow.serving.dialects import Format
from dataflow.utils.storage import FileStorage

CACHE_PATH = "./cache_local/text_to_image"


class TextToImageGenerationPipeline:
    """One step, from descriptions to pictures.

    Args:
        serving_type: "local", "api" or "demo"; None: chosen as on the command line.
        api_key: the address's key; None: the environment's DF_API_KEY.
        api_url: the address; None: the environment's DF_BASE_URL.
        api_format: wire format of the address for pictures; None: the address and the model's name decide.
        picture_hosts: the user's own servers from which pictures are fetched that a reply only names.
        model: the model's name at the address, a folder, or its name on the hub; None: the guide's.
        repeat_times: pictures per description.
        judging: a judge accepts drawings, and rejected ones are drawn again; None: nobody judges.
        first_entry_file_name: file of the input rows; None: the example rows.
        cache_path: folder of the results; pictures go to its `condition_images`.
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
        repeat_times: int = 1,
        judging: Judging | None = None,
        first_entry_file_name: str | None = None,
        cache_path: str = CACHE_PATH,
        options: RunOptions | None = None,
    ) -> None:
        if api_key:
            os.environ["DF_API_KEY"] = api_key
        models = {"model": model, "judge_model": judging.model_here if judging else None}
        chosen = choose(SCRIPT, serving_type, first_entry_file_name, api_url=api_url, models=models)
        self.storage = FileStorage(chosen.rows, cache_path, options=options)
        images = os.path.join(cache_path, "condition_images")
        self.t2i_serving = make_serving(
            chosen.serving_type,
            "text2image",
            images,
            model=model,
            api_url=api_url,
            api_format=api_format,
            picture_hosts=picture_hosts,
        )
        self.text_to_image_generator = make_drawer(
            self.t2i_serving, chosen.serving_type, judging, api_url=api_url, repeat_times=repeat_times
        )

    def forward(self) -> list[Summary]:
        """Draw for every row; safe to call again."""
        drawn = self.text_to_image_generator.run(
            storage=self.storage.step(),
            input_conversation_key="conversations",
            output_image_key="images",
        )
        return [drawn]


SCRIPT = Script(
    __doc__ or "",
    __file__,
    CACHE_PATH,
    models={"model": "text2image"},
    shown=ShownColumns("", "conversations", "images", CONDITION),
    example="text2image",
    judging="asked",
    checks=True,
    further={"repeat_times": (int, 1, "pictures per description")},
)


def build(options: Options) -> TextToImageGenerationPipeline:
    """The pipeline that the flags ask for."""
    return TextToImageGenerationPipeline(
        options.serving_type,
        api_url=options.api_url,
        api_format=options.api_format,
        picture_hosts=options.picture_hosts,
        model=options.model,
        repeat_times=options.further.repeat_times,
        judging=options.judging,
        first_entry_file_name=options.input,
        cache_path=options.cache_path,
        options=options.run,
    )


if __name__ == "__main__":
    sys.exit(run_pipeline(SCRIPT, build))

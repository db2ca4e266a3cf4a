r"""Draw several pictures per row, then make one picture of them, as described.

Rows with `input_text` (one message per picture to draw) and
`output_img_discript` in; `input_image` and `output_image` out.

# the small demo model of the package, on any machine
python multi_images_to_image_generation_pipeline.py
# FLUX.1-dev draws, FLUX.1-Kontext edits
python multi_images_to_image_generation_pipeline.py --serving_type local
# the online model draws and edits
export DF_API_KEY=<api_key>
python multi_images_to_image_generation_pipeline.py --api_url <your_url>
# FLUX.1-dev draws, the online model edits
python multi_images_to_image_generation_pipeline.py --api_url <your_url> \
    --t2i_serving_type local
"""

import os
import sys
from collections.abc import Sequence
from functools import partial

from dataflow.core.arguments import checked
from dataflow.core.run_options import RunOptions
from dataflow.errors import ConfigError
from dataflow.flow.summary import Summary
from dataflow.operators.core_vision import PromptedImageGenerator
from dataflow.scripts.judging import Judging, make_editor
from dataflow.scripts.options import Options, Script, ShownColumns, choose
from dataflow.scripts.run import run_pipeline
from dataflow.scripts.servings import make_serving
from dataflow.serving.dialects import Format
from dataflow.utils.storage import FileStorage

CACHE_PATH = "./cache_local/multi_subjects_driven_image_generation"


class MultiImages2ImagePipeline:
    """The guide's two steps: one model draws condition pictures, and the editing model makes one picture of them.

    Args:
        serving_type: where the editing model runs: "local", "api" or "demo"; None: chosen as on the command line.
        api_url: the address; None: the environment's DF_BASE_URL.
        api_format: wire format of the address for pictures; None: the address and the model's name decide.
        picture_hosts: the user's own servers from which pictures are fetched that a reply only names.
        ip_condition_num: pictures drawn per description.
        repeat_times: results per row.
        t2i_serving_type: where the drawing model runs; None: where the editing model does.
        t2i_model: the drawing model; None: the guide's.
        model: the editing model; None: the guide's.
        first_entry_file_name: file of the input rows; None: the example rows.
        judging: a judge accepts edits, and rejected ones are tried again; None: nobody judges.
        cache_path: folder of the results; pictures go to its `condition_images` and `target_images`.
        options: how many rows run, and what they may cost; None: all rows, and DF_MAX_COST.

    Raises:
        ConfigError: demo pictures would go to an address that may charge; no model is there for the user's rows.
    """

    @checked
    def __init__(
        self,
        serving_type: str | None = None,
        api_url: str | None = None,
        ip_condition_num: int = 1,
        repeat_times: int = 1,
        *,
        api_format: Format | None = None,
        picture_hosts: Sequence[str] = (),
        t2i_serving_type: str | None = None,
        t2i_model: str | None = None,
        model: str | None = None,
        first_entry_file_name: str | None = None,
        judging: Judging | None = None,
        cache_path: str = CACHE_PATH,
        options: RunOptions | None = None,
    ) -> None:
        models = {"t2i_model": t2i_model, "model": model, "judge_model": judging.model_here if judging else None}
        chosen = choose(SCRIPT, serving_type, first_entry_file_name, api_url=api_url, models=models)
        drawing = t2i_serving_type or chosen.serving_type
        if drawing not in ("local", "api", "demo"):
            raise ConfigError(f"t2i_serving_type is {drawing!r}: choose local, api or demo")
        if ip_condition_num < 1:
            raise ConfigError(f"ip_condition_num is {ip_condition_num}: give the number of pictures per description")
        if drawing == "demo" and chosen.serving_type == "api":
            raise ConfigError("demo pictures are not sent to an address that may charge: let local or api draw them")
        self.storage = FileStorage(chosen.rows, cache_path, options=options)
        condition_images = os.path.join(cache_path, "condition_images")
        target_images = os.path.join(cache_path, "target_images")
        make = partial(make_serving, api_url=api_url, api_format=api_format, picture_hosts=picture_hosts)
        self.t2i_serving = make(drawing, "text2image", condition_images, model=t2i_model)
        self.serving = make(chosen.serving_type, "imageedit", target_images, model=model)
        self.text_to_image_generator = PromptedImageGenerator(
            t2i_serving=self.t2i_serving, save_interval=10, repeat_times=ip_condition_num
        )
        self.image_editing_generator = make_editor(
            self.serving, chosen.serving_type, judging, api_url=api_url, repeat_times=repeat_times
        )

    def forward(self) -> list[Summary]:
        """Draw and edit, both at once; safe to call again."""
        with self.storage.overlapped():
            drawn = self.text_to_image_generator.run(
                storage=self.storage.step(),
                input_conversation_key="input_text",
                output_image_key="input_image",
            )
            edited = self.image_editing_generator.run(
                storage=self.storage.step(),
                input_image_key="input_image",
                input_conversation_key="output_img_discript",
                output_image_key="output_image",
            )
        return [drawn, edited]


SCRIPT = Script(
    __doc__ or "",
    __file__,
    CACHE_PATH,
    models={"t2i_model": "text2image", "model": "imageedit"},
    shown=ShownColumns("input_image", "output_img_discript", "output_image"),
    example="multi_image_input_gen",
    judging="asked",
    further={
        "t2i_serving_type": (str, None, "what draws: local, api or demo; default: what edits"),
        "t2i_model": (str, None, "the drawing model"),
        "ip_condition_num": (int, 1, "pictures drawn per description"),
        "repeat_times": (int, 1, "results per row"),
    },
)


def build(options: Options) -> MultiImages2ImagePipeline:
    """The pipeline that the flags ask for."""
    return MultiImages2ImagePipeline(
        options.serving_type,
        options.api_url,
        options.further.ip_condition_num,
        options.further.repeat_times,
        api_format=options.api_format,
        picture_hosts=options.picture_hosts,
        model=options.model,
        t2i_serving_type=options.further.t2i_serving_type,
        t2i_model=options.further.t2i_model,
        first_entry_file_name=options.input,
        judging=options.judging,
        cache_path=options.cache_path,
        options=options.run,
    )


if __name__ == "__main__":
    sys.exit(run_pipeline(SCRIPT, build))

r"""Edit pictures as instructed, and keep the edits that a judge accepts.

Rows with `images` and `conversations` in; rows with an accepted edit in
`edited_images` and its `verdict` out. An edit is measured, then judged; a
rejected one is tried again in other words. Beside the step's file
dataflow_cache_step_step1.jsonl lie, with the same name and these endings,
  .rejected.jsonl  rows of which no edit was accepted
  .tries.jsonl     every edit with its verdict
  .pairs.jsonl     an accepted and a rejected edit of one row

# the small demo model of the package and its own judge, on any machine
python accepted_image_editing_pipeline.py
# two models on this machine: FLUX.1-Kontext edits
python accepted_image_editing_pipeline.py --serving_type local \
    --judge_model Qwen/Qwen3.5-9B
# online models: nano-banana 2 edits
export DF_API_KEY=<api_key>
python accepted_image_editing_pipeline.py --api_url <your_url> \
    --judge_model <name>
"""

import os
import sys
from collections.abc import Sequence

from dataflow.core.run_options import RunOptions
from dataflow.flow.summary import Summary
from dataflow.operators.core_vision import ImageEditAcceptLoop
from dataflow.scripts.judging import Judging, make_judge
from dataflow.scripts.options import Options, Script, ShownColumns, choose
from dataflow.scripts.run import run_pipeline
from dataflow.scripts.servings import make_serving
from dataflow.serving.dialects import Format
from dataflow.utils.storage import FileStorage

CACHE_PATH = "./cache_local/accepted_image_editing"


class AcceptedImageEditingPipeline:
    """One step: try each row until the judge accepts an edit.

    Args:
        serving_type: "local" for models on this machine, "api" for an OpenAI-compatible address, "demo" for the small
            model in the package, which edits drawn shapes; None: chosen as on the command line.
        api_url: the address; None: the environment's DF_BASE_URL.
        api_format: wire format of the address for pictures; None: the address and the model's name decide.
        picture_hosts: the user's own servers from which pictures are fetched that a reply only names.
        model: the editing model's name at the address, or a local folder or hub id.
        judging: the judge, the tries, whether edits are measured first; None: the default judge, two tries.
        first_entry_file_name: file of the input rows; None: the example rows.
        cache_path: folder of the results; pictures go to its `target_images`.
        options: how many rows run, and what they may cost; None: all rows, and DF_MAX_COST.

    Raises:
        ConfigError: no model is there for the user's rows; no judge is named for this machine.
    """

    def __init__(
        self,
        serving_type: str | None = None,
        api_url: str | None = None,
        *,
        api_format: Format | None = None,
        picture_hosts: Sequence[str] = (),
        model: str | None = None,
        judging: Judging | None = None,
        first_entry_file_name: str | None = None,
        cache_path: str = CACHE_PATH,
        options: RunOptions | None = None,
    ) -> None:
        judging = judging or Judging()
        models = {"model": model, "judge_model": judging.model_here}
        chosen = choose(SCRIPT, serving_type, first_entry_file_name, api_url=api_url, models=models)
        self.storage = FileStorage(chosen.rows, cache_path, options=options)
        self.serving = make_serving(
            chosen.serving_type,
            "imageedit",
            os.path.join(cache_path, "target_images"),
            model=model,
            api_url=api_url,
            api_format=api_format,
            picture_hosts=picture_hosts,
        )
        self.accept_loop = ImageEditAcceptLoop(
            self.serving,
            make_judge(chosen.serving_type, judging, api_url=api_url),
            tries=judging.tries,
            candidates=judging.candidates,
            gates=judging.gates,
        )

    def forward(self) -> list[Summary]:
        """Try every row; safe to call again."""
        accepted = self.accept_loop.run(
            storage=self.storage.step(),
            input_image_key="images",
            input_conversation_key="conversations",
            output_image_key="edited_images",
            output_verdict_key="verdict",
        )
        return [accepted]


SCRIPT = Script(
    __doc__ or "",
    __file__,
    CACHE_PATH,
    models={"model": "imageedit"},
    shown=ShownColumns("images", "conversations", "edited_images"),
    example="image_edit",
    judging="always",
)


def build(options: Options) -> AcceptedImageEditingPipeline:
    """The pipeline that the flags ask for."""
    return AcceptedImageEditingPipeline(
        options.serving_type,
        options.api_url,
        api_format=options.api_format,
        picture_hosts=options.picture_hosts,
        model=options.model,
        judging=options.judging,
        first_entry_file_name=options.input,
        cache_path=options.cache_path,
        options=options.run,
    )


if __name__ == "__main__":
    sys.exit(run_pipeline(SCRIPT, build))

r"""From nothing to edited pictures: write, draw, edit.

Writes descriptions and instructions by the taxonomy's shares, draws the
described pictures, and edits them as instructed. No rows in;
`input_text`, `conversations`, `input_image` and `edited_images` out.

# every part at work, with the packaged demo model
python image_edit_synthesis_pipeline.py
# three models on this machine: a language model, FLUX.1-dev, FLUX.1-Kontext
python image_edit_synthesis_pipeline.py --serving_type local
# online models: gemini-3.5-flash writes, nano-banana 2 draws and edits
export DF_API_KEY=<api_key>
python image_edit_synthesis_pipeline.py --api_url <your_url>
# instructions from templates, without a language model
python image_edit_synthesis_pipeline.py --serving_type local --writer templates
# 1,000 edits that a judge accepts, for at most 200 USD; first what they may cost
python image_edit_synthesis_pipeline.py --api_url <your_url> \
    --accepted 1000 --max_cost 200 --dry_run
"""

import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial

from dataflow.core.run_options import RunOptions
from dataflow.core.worker import JUDGE, Worker
from dataflow.errors import ConfigError
from dataflow.flow.summary import Summary
from dataflow.operators.core_vision import CheckedImageGenerator, ImageEditAcceptLoop, TripletSynthesizer
from dataflow.quota import Quota
from dataflow.quota.quota import HOPELESS
from dataflow.scripts.judging import Judging, make_drawer, make_editor
from dataflow.scripts.options import Options, Script, ShownColumns, choose
from dataflow.scripts.parts import tell_parts
from dataflow.scripts.run import run_pipeline
from dataflow.scripts.servings import make_serving, make_writer
from dataflow.serving.dialects import Format
from dataflow.taxonomy.mix import read_mix
from dataflow.utils.storage import FileStorage

CACHE_PATH = "./cache_local/image_edit_synthesis"
ROWS = 16


class ImageEditSynthesisPipeline:
    """The guide's three steps: write, draw, edit.

    Args:
        serving_type: where the models draw and edit: "local", "api" or "demo"; None: chosen as on the command line.
        api_url: the address; None: the environment's DF_BASE_URL.
        api_format: wire format of the address for pictures; None: address and model's name decide, as for texts.
        picture_hosts: the user's own servers from which pictures are fetched that a reply only names.
        n: rows to write.
        seed: another seed gives other rows.
        writer: what writes: "local", "api", "templates" or "demo"; None: as `serving_type`.
        llm_model: the language model; None: the default.
        t2i_model: the drawing model; None: the guide's.
        model: the editing model; None: the guide's.
        judging: a judge accepts drawings and edits, and rejected ones are tried again; None: nobody judges.
        quota: accepted rows to make, in one step and whatever `n` says; None: `n` rows in three steps.
        cache_path: folder of the results; pictures go to its `condition_images` and `target_images`.
        options: how many rows run, and what they may cost; None: all rows, and DF_MAX_COST.

    Raises:
        ConfigError: demo pictures would go to an address that may charge for them.
    """

    def __init__(
        self,
        serving_type: str | None = None,
        api_url: str | None = None,
        *,
        api_format: Format | None = None,
        picture_hosts: Sequence[str] = (),
        n: int = ROWS,
        seed: int = 0,
        writer: str | None = None,
        llm_model: str | None = None,
        t2i_model: str | None = None,
        model: str | None = None,
        judging: Judging | None = None,
        quota: Quota | None = None,
        cache_path: str = CACHE_PATH,
        options: RunOptions | None = None,
    ) -> None:
        models = {"llm_model": llm_model, "t2i_model": t2i_model, "model": model}
        models["judge_model"] = judging.model_here if judging else None
        serving_type = choose(SCRIPT, serving_type, api_url=api_url, models=models).serving_type
        writing = writer or serving_type
        if (writing == "demo") != (serving_type == "demo"):
            raise ConfigError("the demo model knows only what its own writer says, and the other way round")
        self.storage = FileStorage(cache_path=cache_path, options=options)
        condition_images = os.path.join(cache_path, "condition_images")
        target_images = os.path.join(cache_path, "target_images")
        make = partial(make_serving, api_url=api_url, api_format=api_format, picture_hosts=picture_hosts)
        self.t2i_serving = make(serving_type, "text2image", condition_images, model=t2i_model)
        self.serving = make(serving_type, "imageedit", target_images, model=model)
        self.prompt_generator = make_writer(writing, n=n, seed=seed, model=llm_model, api_url=api_url)
        self.judging = judging = judging or (None if quota is None else Judging())
        self.text_to_image_generator = make_drawer(self.t2i_serving, serving_type, judging, api_url=api_url)
        self.image_editing_generator = make_editor(self.serving, serving_type, judging, api_url=api_url)
        self.synthesizer: TripletSynthesizer | None = None
        if quota is not None and isinstance(self.image_editing_generator, ImageEditAcceptLoop):
            parts = self.prompt_generator, self.text_to_image_generator, self.image_editing_generator
            self.synthesizer = TripletSynthesizer(*parts, quota=quota)

    @property
    def parts(self) -> Mapping[str, Worker]:
        """Name of a part → the worker that does it."""
        judge = {"judge": self.image_editing_generator.workers[JUDGE]} if self.judging else {}
        writer = self.prompt_generator.workers["writer"]
        return {"writer": writer, "painter": self.t2i_serving, "editor": self.serving, **judge}

    def forward(self) -> list[Summary]:
        """Write, draw and edit: three steps at once, or one step until the quota is met; safe to call again."""
        if self.synthesizer is not None:
            return [self.synthesizer.run(storage=self.storage.step(), input_image_key="input_image")]
        with self.storage.overlapped():
            written = self.prompt_generator.run(
                storage=self.storage.step(),
                output_text_key="input_text",
                output_conversation_key="conversations",
            )
            if isinstance(self.text_to_image_generator, CheckedImageGenerator):
                drawn = self.text_to_image_generator.run(
                    storage=self.storage.step(),
                    input_conversation_key="input_text",
                    input_instruction_key="conversations",
                    output_image_key="input_image",
                )
            else:
                drawn = self.text_to_image_generator.run(
                    storage=self.storage.step(),
                    input_conversation_key="input_text",
                    output_image_key="input_image",
                )
            edited = self.image_editing_generator.run(
                storage=self.storage.step(),
                input_image_key="input_image",
                input_conversation_key="conversations",
                output_image_key="edited_images",
            )
        return [written, drawn, edited]


SCRIPT = Script(
    __doc__ or "",
    __file__,
    CACHE_PATH,
    models={"llm_model": "text", "t2i_model": "text2image", "model": "imageedit"},
    shown=ShownColumns("input_image", "conversations", "edited_images"),
    judging="asked",
    checks=True,
    further={
        "n": (int, None, f"rows, default: {ROWS}"),
        "seed": (int, 0, "other rows for another one"),
        "accepted": (int, None, "rows with an edit that a judge accepts, in place of --n: one step makes them all"),
        "mix": (str, None, "of --accepted: operation or group=part, such as recolour=2,remove=1; default: by shares"),
        "hopeless": (
            float,
            None,
            "of --accepted: an operation of which surely a smaller share passes is given up",
        ),
        "writer": (str, None, "what writes: local, api, templates or demo; default: what edits"),
        "llm_model": (str, None, "the language model"),
        "t2i_model": (str, None, "the drawing model"),
    },
)


def quota_of(options: Options) -> Quota | None:
    """The quota that the flags ask for; None: `--n` says how many rows.

    Raises:
        ConfigError: a flag has no meaning beside another.
    """
    own = options.further
    if own.accepted is None:
        for name in ("mix", "hopeless"):
            if getattr(own, name) is not None:
                raise ConfigError(f"--{name} is of accepted rows: give --accepted N too, or leave it out")
        return None
    if own.n is not None:
        raise ConfigError(f"--n {own.n} says nothing beside --accepted {own.accepted}: as many rows as that takes")
    hopeless = HOPELESS if own.hopeless is None else own.hopeless
    mix = None if own.mix is None else read_mix(own.mix)
    return Quota(own.accepted, mix, max_cost=options.run.max_cost, hopeless=hopeless)


def build(options: Options) -> ImageEditSynthesisPipeline:
    """The pipeline that the flags ask for."""
    own = options.further
    pipeline = ImageEditSynthesisPipeline(
        options.serving_type,
        api_url=options.api_url,
        api_format=options.api_format,
        picture_hosts=options.picture_hosts,
        model=options.model,
        n=ROWS if own.n is None else own.n,
        seed=own.seed,
        writer=own.writer,
        llm_model=own.llm_model,
        t2i_model=own.t2i_model,
        judging=options.judging,
        quota=quota_of(options),
        cache_path=options.cache_path,
        options=options.run,
    )
    tell_parts(pipeline.parts)
    return pipeline


if __name__ == "__main__":
    sys.exit(run_pipeline(SCRIPT, build))

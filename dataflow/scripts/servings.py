"""Makes the servings and the writer that the flags of an example pipeline ask for."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from dataflow.errors import ConfigError
from dataflow.io import ImageIO
from dataflow.operators.core_text import EditPromptGenerator
from dataflow.serving.api.models import default_model, former_defaults
from dataflow.serving.base import ServingABC
from dataflow.serving.dialects import Format

Task = Literal["text2image", "imageedit"]
Purpose = Literal["text2image", "imageedit", "text"]
LOCAL_MODELS: dict[Purpose, str] = {
    "text": "Qwen/Qwen2.5-7B-Instruct",
    "imageedit": "black-forest-labs/FLUX.1-Kontext-dev",
    "text2image": "black-forest-labs/FLUX.1-dev",
}
LOCAL_DIR, CACHE_DIR = "./ckpt/models/", "./cache_local"

# torch and transformers read these when they are loaded. On shared cores a second thread makes the demo's small
# matrix products many times slower, and transformers warns of a missing torchvision, which nothing here needs.
_DEMO_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"}


def make_serving(
    serving_type: str,
    task: Task,
    save_path: str,
    *,
    model: str | None = None,
    api_url: str | None = None,
    api_format: Format | None = None,
    picture_hosts: Sequence[str] = (),
) -> ServingABC:
    """Make a serving that edits or draws.

    Args:
        serving_type: "local", "api" or "demo".
        task: "imageedit" or "text2image".
        save_path: folder of the pictures that the serving makes.
        model: the model's name at the address, a folder, or its name on the hub; None: the default of the address or of
            the guide, or the packaged model of a demo.
        api_url: for "api": the address; None: the environment's `DF_BASE_URL`.
        api_format: for "api": the wire format; None: the address and the model's name decide.
        picture_hosts: for "api": hosts of the user's own network from which pictures are fetched that a reply only
            names.

    Raises:
        ConfigError: `serving_type` or `api_format` is unknown; a picture host is no host; a demo's model is no folder.
    """
    image_io = ImageIO(save_path=save_path)
    if serving_type == "demo":
        return _demo_serving(task, image_io, model)
    if serving_type == "local":
        from dataflow.serving.local_image_gen_serving import LocalImageGenServing

        return LocalImageGenServing(
            image_io=image_io,
            hf_model_name_or_path=model or LOCAL_MODELS[task],
            hf_cache_dir=CACHE_DIR,
            hf_local_dir=LOCAL_DIR,
            Image_gen_task=task,
        )
    if serving_type == "api":
        from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai

        online = APIVLMServing_openai(
            api_url,
            model_name=model or default_model("image"),
            image_io=image_io,
            api_format=api_format,
            picture_hosts=picture_hosts,
        )
        online.former_models = () if model else former_defaults("image")
        return online
    raise ConfigError(f"serving_type is {serving_type!r}: choose local, api or demo")


def _demo_serving(task: Task, image_io: ImageIO, model: str | None) -> ServingABC:
    """The packaged model on the CPU, where its scores were measured: a GPU saves nothing for a model so small.

    Raises:
        ConfigError: `model` is no folder.
    """
    from dataflow.demo.packaged import MODEL, STEPS, TOKENS
    from dataflow.serving.local_image_gen_serving import LocalImageGenServing

    if model is not None and not Path(model).is_dir():
        raise ConfigError(
            f"there is no folder {model}: a demo takes the folder of a model that `python -m"
            f" benchmarks.demo_model.train` made."
            f" Leave it out for the packaged one, or choose --serving_type local or api"
        )
    for name, value in _DEMO_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    return LocalImageGenServing(
        image_io=image_io,
        hf_model_name_or_path=model or MODEL,
        Image_gen_task=task,
        batch_size=8,
        diffuser_num_inference_steps=STEPS,
        device="cpu",
        call_kwargs={"max_sequence_length": TOKENS},
    )


def make_writer(
    serving_type: str,
    *,
    n: int,
    seed: int = 0,
    model: str | None = None,
    api_url: str | None = None,
) -> EditPromptGenerator:
    """Make the operator that writes descriptions and instructions.

    Args:
        serving_type: "local" or "api": a language model writes; "templates": templates write, at once and for nothing;
            "demo": templates write rows of the demo model's own world.
        n: rows to write.
        seed: another seed gives other rows.
        model: the language model's name at the address, a folder, or its name on the hub; None: the default.
        api_url: for "api": the address; None: the environment's `DF_BASE_URL`.

    Raises:
        ConfigError: `serving_type` is unknown.
    """
    if serving_type == "demo":
        from dataflow.demo.prompts import DemoPromptGenerator

        return DemoPromptGenerator(n=n, seed=seed)
    if serving_type == "templates":
        from dataflow.serving.template_writer import TemplateWriter

        return EditPromptGenerator(TemplateWriter(), n=n, seed=seed)
    if serving_type == "local":
        from dataflow.serving.local_llm_serving import LocalLLMServing

        local = LocalLLMServing(model or LOCAL_MODELS["text"], hf_cache_dir=CACHE_DIR, hf_local_dir=LOCAL_DIR)
        return EditPromptGenerator(local, n=n, seed=seed)
    if serving_type == "api":
        from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai

        online = APIVLMServing_openai(api_url=api_url, model_name=model or default_model("text"))
        online.former_models = () if model else former_defaults("text")
        return EditPromptGenerator(online, n=n, seed=seed)
    raise ConfigError(f"the writer is {serving_type!r}: choose local, api, templates or demo")


def local_copy(model: str) -> bool:
    """Whether a model of the hub lies in the folder to which `make_serving` downloads."""
    from dataflow.models.hub import HubModel

    return HubModel(model, cache_dir=CACHE_DIR, local_dir=LOCAL_DIR).copy() is not None

"""The serving that an example pipeline's flags ask for."""

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

# Read when torch and transformers are loaded. On shared cores a second thread makes matrices as small as the
# demo's many times slower; and transformers warns of torchvision, which nothing here needs.
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
    """A serving that edits or draws.

    Args:
        serving_type: "local", "api" or "demo".
        task: what it is for.
        save_path: folder of its pictures.
        model: its name at the address, a folder, or its name on the hub; None for the guide's, or for
            the demo's own.
        api_url: for "api"; None reads `DF_BASE_URL`.
        api_format: for "api": the wire format; None: the address and the model's name decide.
        picture_hosts: for "api": hosts of one's own network from which pictures are fetched that a reply only names.

    Raises:
        ConfigError: an unknown serving_type or api_format; what names no host; a demo model that is no folder.
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
    """The packaged model on the CPU, where it was measured: at its size a GPU saves nothing."""
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
    """What writes descriptions and instructions.

    Args:
        serving_type: "local", "api", "templates" for rows at once and without a model, or "demo" for rows
            of the demo model's own world.
        n: rows wanted.
        seed: other rows for another one.
        model: a language model's name at the address, a folder, or its name on the hub.
        api_url: for "api"; None reads `DF_BASE_URL`.

    Raises:
        ConfigError: an unknown serving_type.
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
    """Whether a hub model has been downloaded to where `make_serving` puts it."""
    from dataflow.models.hub import HubModel

    return HubModel(model, cache_dir=CACHE_DIR, local_dir=LOCAL_DIR).copy() is not None

"""The serving that an example pipeline's flags ask for."""

from typing import Literal

from dataflow.errors import ConfigError
from dataflow.io import ImageIO
from dataflow.serving.base import ServingABC

API_MODEL = "gemini-2.5-flash-image"  # nano-banana
Task = Literal["text2image", "imageedit"]
LOCAL_MODELS: dict[Task, str] = {
    "imageedit": "black-forest-labs/FLUX.1-Kontext-dev",
    "text2image": "black-forest-labs/FLUX.1-dev",
}
LOCAL_DIR, CACHE_DIR = "./ckpt/models/", "./cache_local"
_SERVERS: list[object] = []  # demo servers, which serve as long as the process lives


def make_serving(
    serving_type: str,
    task: Task,
    save_path: str,
    *,
    model: str | None = None,
    api_url: str | None = None,
) -> ServingABC:
    """A serving that edits or draws.

    Args:
        serving_type: "local", "api" or "demo".
        task: what it is for.
        save_path: folder of its pictures.
        model: its name at the address, a folder, or its name on the hub; None for the guide's.
        api_url: for "api"; None reads `DF_BASE_URL`.

    Raises:
        ConfigError: an unknown serving_type.
    """
    image_io = ImageIO(save_path=save_path)
    if serving_type == "local":
        from dataflow.serving.local_image_gen_serving import LocalImageGenServing

        return LocalImageGenServing(
            image_io=image_io,
            hf_model_name_or_path=model or LOCAL_MODELS[task],
            hf_cache_dir=CACHE_DIR,
            hf_local_dir=LOCAL_DIR,
            Image_gen_task=task,
            batch_size=4,
        )
    from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai

    if serving_type == "api":
        return APIVLMServing_openai(api_url=api_url, model_name=model or API_MODEL, image_io=image_io)
    if serving_type == "demo":
        from dataflow.demo.marker import MarkerServer

        server = MarkerServer().start()
        _SERVERS.append(server)
        return APIVLMServing_openai(api_url=server.url, model_name="demo-marker", image_io=image_io)
    raise ConfigError(f"serving_type is {serving_type!r}: choose local, api or demo")


def local_copy(model: str) -> bool:
    """Whether a hub model has been downloaded to where `make_serving` puts it."""
    from dataflow.serving.local_hub import HubModel

    return HubModel(model, cache_dir=CACHE_DIR, local_dir=LOCAL_DIR).copy() is not None

"""`LocalVLMServing`: the serving that answers questions about pictures with a model on this machine."""

from pathlib import Path
from typing import Unpack

from dataflow.core.arguments import checked
from dataflow.serving.local.texts.serving import LocalTextServing
from dataflow.serving.local.texts.settings import LocalTextOptions, LocalTextSettings, model_name


class LocalVLMServing(LocalTextServing):
    """Answers prompts and pictures with texts, by a checkpoint of transformers.

    A request may have any number of pictures, also in its earlier turns, each with a size of its own. When weights are
    loaded, and what a request's id holds, is as for `LocalLLMServing`.

    Args:
        hf_model_name_or_path: the checkpoint's folder, or its name on the Hugging Face hub. Required.
        batch_size: the most answers that are written together, halved when memory runs out.
        hf_cache_dir: the folder of huggingface_hub's cache; None: its default. Unused where `hf_local_dir` is given.
        hf_local_dir: the folder for plain copies of hub models, each in a folder of its own; None: the cache is used.
        max_pixels: pictures with more pixels are scaled down to this number, their aspect kept, before the model reads
            them: time and memory grow with the pixels. None: pictures keep their size.
        options: those of `LocalLLMServing`.

    Raises:
        ConfigError: a setting that cannot be right. `prepare` checks the checkpoint, at the start of a step.
    """

    @checked
    def __init__(
        self,
        hf_model_name_or_path: str | Path = "",
        batch_size: int = 4,
        *,
        hf_cache_dir: str | Path | None = None,
        hf_local_dir: str | Path | None = None,
        max_pixels: int | None = None,
        **options: Unpack[LocalTextOptions],
    ) -> None:
        super().__init__(
            LocalTextSettings(
                model=model_name(hf_model_name_or_path),
                pictures=True,
                cache_dir=hf_cache_dir,
                local_dir=hf_local_dir,
                max_pixels=max_pixels,
                batch_size=batch_size,
                **options,
            )
        )

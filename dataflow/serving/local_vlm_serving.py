"""`LocalVLMServing`: a model on this machine that looks at pictures and writes."""

from pathlib import Path
from typing import Unpack

from dataflow.core.arguments import checked
from dataflow.serving.local.texts.serving import LocalTextServing
from dataflow.serving.local.texts.settings import LocalTextOptions, LocalTextSettings, model_name


class LocalVLMServing(LocalTextServing):
    """Pictures and texts in, text out, with a checkpoint of transformers.

    Any number of pictures per request, also in its earlier turns, each at its own size.

    Args:
        hf_model_name_or_path: the checkpoint's folder, or its name on the Hugging Face hub.
        batch_size: most answers written together; halved when memory runs out.
        hf_cache_dir: huggingface_hub's cache; unused where `hf_local_dir` is given.
        hf_local_dir: plain copies of hub models, each in a folder of its own below this one.
        max_pixels: larger pictures are made smaller, their shape kept, before the model looks at them: what it has to
            read, and its memory, grow with their pixels. None: as large as they are.
        options: those of `LocalLLMServing`.

    Raises:
        ConfigError: a setting that cannot be right. The model is checked by `prepare`.
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

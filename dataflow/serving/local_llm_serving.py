"""`LocalLLMServing`: a language model on this machine."""

from pathlib import Path
from typing import Unpack

from dataflow.core.arguments import checked
from dataflow.serving.local.texts.serving import LocalTextServing
from dataflow.serving.local.texts.settings import LocalTextOptions, LocalTextSettings, model_name


class LocalLLMServing(LocalTextServing):
    """Texts in, text out, with a checkpoint of transformers.

    Args:
        hf_model_name_or_path: the checkpoint's folder, or its name on the Hugging Face hub.
        batch_size: most answers written together; halved when memory runs out.
        hf_cache_dir: huggingface_hub's cache; unused where `hf_local_dir` is given.
        hf_local_dir: plain copies of hub models, each in a folder of its own below this one.
        options: `max_new_tokens`: longest answer in tokens; a longer one is cut off and marked so.
            `temperature`: 0 takes the likeliest token; None: as the checkpoint's generation_config.json says.
            `top_p`: only the likeliest tokens that together have this probability; None: as the checkpoint says.
            `seed`: another number gives other answers; each answer's own seed follows from it and its request.
            `dtype`: "bfloat16", "float16" or "float32"; None: bfloat16 on a GPU, float32 on a CPU.
            `device`: "cuda", "cuda:1", "mps" or "cpu"; a list: one process per device; None: every CUDA GPU that
            CUDA_VISIBLE_DEVICES shows, else the best there is.
            `revision`: branch, tag or commit on the hub.
            `lora`: folder of a LoRA that peft saved, which is put beside the weights.
            `chat_template`: a Jinja template instead of the checkpoint's.
            `template_arguments`: further values for the template, such as `{"enable_thinking": False}`.
            `model_kwargs`: further arguments of `from_pretrained`.

    Raises:
        ConfigError: a setting that cannot be right. The model is checked by `prepare`.
    """

    @checked
    def __init__(
        self,
        hf_model_name_or_path: str | Path = "",
        batch_size: int = 8,
        *,
        hf_cache_dir: str | Path | None = None,
        hf_local_dir: str | Path | None = None,
        **options: Unpack[LocalTextOptions],
    ) -> None:
        super().__init__(
            LocalTextSettings(
                model=model_name(hf_model_name_or_path),
                cache_dir=hf_cache_dir,
                local_dir=hf_local_dir,
                batch_size=batch_size,
                **options,
            )
        )

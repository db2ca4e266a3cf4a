"""`LocalLLMServing`: the serving that writes with a language model on this machine."""

from pathlib import Path
from typing import Unpack

from dataflow.core.arguments import checked
from dataflow.serving.local.texts.serving import LocalTextServing
from dataflow.serving.local.texts.settings import LocalTextOptions, LocalTextSettings, model_name


class LocalLLMServing(LocalTextServing):
    """Answers prompts with texts, by a checkpoint of transformers.

    To construct the serving loads nothing; a step downloads the checkpoint if need be, and loads its weights at the
    first request that is not answered yet. A request's id holds the checkpoint's contents and every parameter that
    changes the answer; `batch_size`, `device` and the folders may change between runs. The licence of the weights, as
    their model card states it, is logged and written to the step's `meta.json`; check that it allows your use.

    Args:
        hf_model_name_or_path: the checkpoint's folder, or its name on the Hugging Face hub. Required.
        batch_size: the most answers that are written together, halved when memory runs out.
        hf_cache_dir: the folder of huggingface_hub's cache; None: its default. Unused where `hf_local_dir` is given.
        hf_local_dir: the folder for plain copies of hub models, each in a folder of its own; None: the cache is used.
        options: `max_new_tokens`: the longest answer, in tokens; a longer one is cut off, and its usage says so.
            `temperature`: of sampling; 0 takes the likeliest token; None: as the checkpoint's generation_config.json
            says.
            `top_p`: samples from the likeliest tokens that together have this probability; None: as the checkpoint
            says.
            `seed`: another number gives other answers; the seed of each answer follows from this one and from its
            request.
            `dtype`: "bfloat16", "float16" or "float32"; None: bfloat16 on a GPU, float32 on a CPU.
            `device`: "cuda", "cuda:1", "mps" or "cpu"; a list: one process for each device; None: every CUDA GPU that
            CUDA_VISIBLE_DEVICES shows, else mps, else cpu.
            `revision`: branch, tag or commit on the hub.
            `lora`: the folder of a LoRA that peft saved, which is loaded beside the weights.
            `chat_template`: a Jinja template, in place of the checkpoint's.
            `template_arguments`: further values for the template, such as `{"enable_thinking": False}`.
            `model_kwargs`: further arguments of `from_pretrained`.

    Raises:
        ConfigError: a setting that cannot be right. `prepare` checks the checkpoint, at the start of a step.
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

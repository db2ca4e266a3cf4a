"""`LocalImageGenServing`: the guide's name for a diffusion model on this machine."""

from pathlib import Path
from typing import Unpack

from dataflow.core.arguments import checked
from dataflow.errors import ConfigError
from dataflow.io.image import ImageIO
from dataflow.serving.backends import Size, Task
from dataflow.serving.local.pictures.serving import LocalServing
from dataflow.serving.local.pictures.settings import LocalOptions, LocalSettings


class LocalImageGenServing(LocalServing):
    """Draws or edits pictures with a diffusers checkpoint; its model_index.json says which family it is.

    Args:
        image_io: where the pictures are stored.
        batch_size: most pictures in one call; halved when memory runs out. None: what the preset does best, which is
            one for `exact` on a GPU, so that a picture depends on nothing but its request; what fills the GPU and
            fits for `fast`; four on a CPU.
        hf_model_name_or_path: the checkpoint's folder, or its name on the Hugging Face hub.
        hf_cache_dir: huggingface_hub's cache; unused where `hf_local_dir` is given.
        hf_local_dir: plain copies of hub models, each in a folder of its own below this one.
        Image_gen_task: "text2image" or "imageedit".
        diffuser_model_name: the family you expect, such as "FLUX-Kontext"; only checked.
        diffuser_num_inference_steps: None for the family's default.
        diffuser_guidance_scale: None for the family's default; becomes `true_cfg_scale` for Qwen.
        diffuser_image_height: pixels, rounded to a multiple of 16; None with the width: the family's
            size for a drawing, the first input's aspect for an edit.
        diffuser_image_width: as the height; both or neither.
        diffuser_num_images_per_prompt: pictures per prompt, each a request of its own.
        options: `seed`: another number gives other pictures; each picture's own seed follows from it and its request.
            `dtype`: "bfloat16", "float16" or "float32"; None: bfloat16 on a GPU, float32 on a CPU.
            `device`: "cuda", "cuda:1", "mps" or "cpu"; a list: one process per device; None: every CUDA GPU that
            CUDA_VISIBLE_DEVICES shows, else the best there is.
            `backend`: a model family of your own, instead of the one that model_index.json stands for: a class derived
            from `dataflow.serving.backends.Backend`.
            `revision`: branch, tag or commit on the hub.
            `lora`: (path, scale) of each LoRA, in order.
            `pipe_kwargs`: further arguments of `DiffusionPipeline.from_pretrained`.
            `call_kwargs`: further arguments of every call of the pipeline.
            `preset`: "exact" changes no picture; "fast" computes in fp8; "turbo" also skips steps, and says so in each
            answer's usage. What this machine lacks is left out, with a warning.

    Raises:
        ConfigError: a setting that cannot be right. The model is checked by `prepare`.
    """

    @checked
    def __init__(
        self,
        image_io: ImageIO | None = None,
        batch_size: int | None = None,
        *,
        hf_model_name_or_path: str | Path = "",
        hf_cache_dir: str | Path | None = None,
        hf_local_dir: str | Path | None = None,
        Image_gen_task: Task = "text2image",  # noqa: N803 - the guide's name
        diffuser_model_name: str = "",
        diffuser_num_inference_steps: int | None = None,
        diffuser_guidance_scale: float | None = None,
        diffuser_image_height: int | None = None,
        diffuser_image_width: int | None = None,
        diffuser_num_images_per_prompt: int = 1,
        **options: Unpack[LocalOptions],
    ) -> None:
        if image_io is None:
            raise ConfigError("pictures need a place: give image_io=ImageIO(save_path=...)")
        if not str(hf_model_name_or_path):
            raise ConfigError("no hf_model_name_or_path: give a folder or a name such as black-forest-labs/FLUX.1-dev")
        super().__init__(
            LocalSettings(
                model=str(hf_model_name_or_path),
                image_io=image_io,
                task=Image_gen_task,
                cache_dir=hf_cache_dir,
                local_dir=hf_local_dir,
                family=diffuser_model_name,
                steps=diffuser_num_inference_steps,
                guidance=diffuser_guidance_scale,
                size=_size(diffuser_image_width, diffuser_image_height),
                batch_size=batch_size,
                images_per_prompt=diffuser_num_images_per_prompt,
                **options,
            )
        )


def _size(width: int | None, height: int | None) -> Size | None:
    if width is None and height is None:
        return None
    if width is None or height is None or width < 1 or height < 1:
        raise ConfigError(
            f"diffuser_image_width={width} and diffuser_image_height={height}: give both in pixels, or neither"
        )
    return width, height

"""`LocalImageGenServing`: the serving that draws or edits pictures with a diffusion model on this machine."""

from pathlib import Path
from typing import Unpack

from dataflow.core.arguments import checked
from dataflow.errors import ConfigError
from dataflow.io.image import ImageIO
from dataflow.serving.backends import Size, Task
from dataflow.serving.local.pictures.serving import LocalServing
from dataflow.serving.local.pictures.settings import LocalOptions, LocalSettings


class LocalImageGenServing(LocalServing):
    """Draws or edits pictures with a diffusers checkpoint, whose model_index.json names the model family.

    To construct the serving loads nothing; a step downloads the checkpoint if need be, and loads its weights at the
    first request that is not answered yet. A request's id holds the checkpoint's contents and every parameter that
    changes the picture; `batch_size`, `device` and the folders may change between runs. The licence of the weights, as
    their model card states it, is logged and written to the step's `meta.json`; check that it allows your use.

    Args:
        image_io: the store for pictures. Required, although it has a default.
        batch_size: the most pictures in one call, halved when memory runs out. None: with the preset "exact" one on a
            GPU, so that a picture depends on nothing but its request; with "fast" as many as fill the GPU and fit into
            its memory; on a CPU four.
        hf_model_name_or_path: the checkpoint's folder, or its name on the Hugging Face hub. Required.
        hf_cache_dir: the folder of huggingface_hub's cache; None: its default. Unused where `hf_local_dir` is given.
        hf_local_dir: the folder for plain copies of hub models, each in a folder of its own; None: the cache is used.
        Image_gen_task: "text2image" or "imageedit".
        diffuser_model_name: the model family that you expect, such as "FLUX-Kontext"; another one is refused. Empty:
            any family.
        diffuser_num_inference_steps: denoising steps; None: the family's default.
        diffuser_guidance_scale: how closely the picture follows the prompt, `true_cfg_scale` of Qwen; None: the
            family's default.
        diffuser_image_height: in pixels, rounded to a multiple of 16. None, with the width: the family's size for a
            drawing, the aspect of the first input for an edit.
        diffuser_image_width: in pixels, as the height; give both or neither.
        diffuser_num_images_per_prompt: pictures for each prompt, each by a request of its own.
        options: `seed`: another number gives other pictures; the seed of each picture follows from this one and from
            its request.
            `dtype`: "bfloat16", "float16" or "float32"; None: bfloat16 on a GPU, float32 on a CPU.
            `device`: "cuda", "cuda:1", "mps" or "cpu"; a list: one process for each device; None: every CUDA GPU that
            CUDA_VISIBLE_DEVICES shows, else mps, else cpu.
            `backend`: a model family of your own, a class derived from `dataflow.serving.backends.Backend`; None: the
            one that model_index.json names.
            `revision`: branch, tag or commit on the hub.
            `lora`: (path, scale) of each LoRA, in the order in which they are loaded.
            `pipe_kwargs`: further arguments of `DiffusionPipeline.from_pretrained`.
            `call_kwargs`: further arguments of every call of the pipeline.
            `preset`: "exact", the default, leaves pictures as the pipeline draws them. "fast" computes the
            transformer's large layers in fp8, which changes pictures a little. "turbo" also skips steps where little
            changes, which now and then changes pictures visibly. Each answer's usage says which of the two its picture
            has. Parts of a preset that this machine cannot run are left out, with a warning.

    Raises:
        ConfigError: a setting that cannot be right. `prepare` checks the checkpoint, at the start of a step.
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

"""Tiny checkpoints of every model family in their real layout, with random weights, built in a fraction of a second.

Nothing here is a mock: the folders are written by `save_pretrained` and read by `from_pretrained`.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.loop import submit
from dataflow.core.records import Answer, Job, Request
from dataflow.serving.local.worker import LocalWorker
from tests.kit.tiny_encoders import (
    CHAT,
    SAID,
    clip_parts,
    enliven,
    mistral3_encoder,
    qwen3_encoder,
    qwen3_vl_encoder,
    qwen_tokenizer,
    qwen_vl_encoder,
    t5_parts,
)

# What the builders below make: every family that draws, every family that edits, and the name users give it.
DRAWING = ("flux", "flux_kontext", "qwen_image", "z_image", "flux2", "flux2_klein")
EDITING = ("flux_kontext", "qwen_image_edit", "qwen_image_edit_plus", "flux2", "flux2_klein")
# The same classes with other weights: distilled or not, with a cache for references.
VARIANTS = ("flux_schnell", "z_image_base", "flux2_klein_base", "flux2_klein_kv")
NAMES = {
    "flux": "FLUX",
    "flux_kontext": "FLUX-Kontext",
    "qwen_image": "Qwen-Image",
    "qwen_image_edit": "Qwen-Image-Edit",
    "qwen_image_edit_plus": "Qwen-Image-Edit-Plus",
    "flux2": "FLUX.2",
    "flux2_klein": "FLUX.2",
    "z_image": "Z-Image",
}
WAIT = 60.0  # seconds


@contextmanager
def running(serving: LocalWorker[Any]) -> Iterator[Callable[..., list[Answer]]]:
    """A serving without a pool: call the result with requests to have them answered in one batch."""
    serving.prepare()
    serving.settle()
    submit(serving.setup()).result(WAIT)
    try:
        yield lambda *requests: list(submit(serving.call(as_jobs(requests))).result(WAIT))
    finally:
        submit(serving.close()).result(WAIT)


def as_jobs(requests: tuple[Request, ...]) -> list[Job]:
    """Jobs with ids of their own, in order."""
    return [Job(f"{number:02x}" * 16, request) for number, request in enumerate(requests)]


def scheduler(**settings: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**settings)


def kl_vae(**settings: Any) -> Any:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=2,
        latent_channels=4,
        scaling_factor=1.0,
        shift_factor=0.0,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
        **settings,
    )
    return enliven(vae, 5)


def flux_parts(*, guidance: bool = True) -> dict[str, Any]:
    from diffusers import FluxTransformer2DModel

    tokenizer, text_encoder = clip_parts()
    tokenizer_2, text_encoder_2 = t5_parts()
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        guidance_embeds=guidance,
        axes_dims_rope=(2, 2, 4),
    )
    return {
        "scheduler": scheduler(use_dynamic_shifting=True),
        "vae": kl_vae(),
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
        "text_encoder_2": text_encoder_2,
        "tokenizer_2": tokenizer_2,
        "transformer": enliven(transformer, 6),
    }


def flux(folder: Path) -> Path:
    from diffusers import FluxPipeline

    return saved(FluxPipeline(**flux_parts()), folder)


def flux_schnell(folder: Path) -> Path:
    from diffusers import FluxPipeline

    return saved(FluxPipeline(**flux_parts(guidance=False)), folder)


def flux_kontext(folder: Path) -> Path:
    from diffusers import FluxKontextPipeline

    return saved(FluxKontextPipeline(**flux_parts()), folder)


def qwen_parts() -> dict[str, Any]:
    from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel

    tokenizer = qwen_tokenizer()
    transformer = QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(2, 2, 4),
    )
    vae = AutoencoderKLQwenImage(
        base_dim=4, z_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1, latents_mean=[0.0] * 4, latents_std=[1.0] * 4
    )
    return {
        "scheduler": scheduler(use_dynamic_shifting=True),
        "vae": enliven(vae, 7),
        "text_encoder": qwen_vl_encoder(tokenizer),
        "tokenizer": tokenizer,
        "transformer": enliven(transformer, 8),
    }


def qwen_image(folder: Path) -> Path:
    from diffusers import QwenImagePipeline

    return saved(QwenImagePipeline(**qwen_parts()), folder)


def qwen_image_edit(folder: Path) -> Path:
    return with_processor(qwen_image(folder), "QwenImageEditPipeline")


def qwen_image_edit_plus(folder: Path) -> Path:
    return with_processor(qwen_image(folder), "QwenImageEditPlusPipeline")


def with_processor(folder: Path, pipeline: str, kind: str = "Qwen2VLProcessor", *, patch: int = 14) -> Path:
    """Add the files of a vision-language processor; saving one needs torchvision, which these tests do without."""
    home = folder / "processor"
    tokenizer = qwen_tokenizer()
    if kind == "Qwen3VLProcessor":
        tokenizer.chat_template = SAID
    tokenizer.save_pretrained(home)
    pictures = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5_VLProcessor",
        "size": {"shortest_edge": 28 * 28, "longest_edge": 4 * patch * 4 * patch},
        "patch_size": patch,
        "temporal_patch_size": 2,
        "merge_size": 2,
    }
    (home / "preprocessor_config.json").write_text(json.dumps(pictures), encoding="utf-8")
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    index |= {"_class_name": pipeline, "processor": ["transformers", kind]}
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def qwen_image_21(folder: Path) -> Path:
    """Its pipeline cannot be made without its processor, so its parts are written one by one."""
    import diffusers

    transformer = diffusers.QwenImage21Transformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        context_in_dim=16,
        axes_dims_rope=(2, 2, 4),
    )
    vae = diffusers.AutoencoderKLQwenImage21(
        base_dim=4,
        decoder_base_dim=4,
        z_dim=4,
        dim_mult=[1, 1, 1, 1, 1],
        num_res_blocks=1,
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    parts = {
        "scheduler": scheduler(use_dynamic_shifting=True),
        "vae": enliven(vae, 7),
        "text_encoder": qwen3_vl_encoder(qwen_tokenizer()),
        "transformer": enliven(transformer, 8),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    libraries = {
        name: ["transformers" if name == "text_encoder" else "diffusers", type(part).__name__]
        for name, part in parts.items()
    }
    (folder / "model_index.json").write_text(json.dumps(libraries), encoding="utf-8")
    return with_processor(folder, "QwenImage21Pipeline", "Qwen3VLProcessor", patch=16)


def flux2_parts(*, guidance: bool = False) -> dict[str, Any]:
    from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel

    transformer = Flux2Transformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=48,
        axes_dims_rope=(2, 2, 2, 2),
        guidance_embeds=guidance,
    )
    vae = AutoencoderKLFlux2(
        block_out_channels=(4, 4, 4, 4), layers_per_block=1, norm_num_groups=2, latent_channels=4, sample_size=64
    )
    return {
        "scheduler": scheduler(use_dynamic_shifting=True),
        "vae": enliven(vae, 9),
        "text_encoder": qwen3_encoder(),
        "tokenizer": qwen_tokenizer(),
        "transformer": enliven(transformer, 10),
    }


def flux2(folder: Path) -> Path:
    """FLUX.2-dev, but for its tokenizer: that is a processor which needs torchvision."""
    from diffusers import Flux2Pipeline

    parts = flux2_parts(guidance=True)
    parts["tokenizer"].chat_template = CHAT.replace("['content']", "['content'][0]['text']")
    return saved(Flux2Pipeline(**{**parts, "text_encoder": mistral3_encoder()}), folder)


def flux2_klein(folder: Path) -> Path:
    from diffusers import Flux2KleinPipeline

    return saved(Flux2KleinPipeline(**flux2_parts(), is_distilled=True), folder)


def flux2_klein_base(folder: Path) -> Path:
    from diffusers import Flux2KleinPipeline

    return saved(Flux2KleinPipeline(**flux2_parts(), is_distilled=False), folder)


def flux2_klein_kv(folder: Path) -> Path:
    from diffusers import Flux2KleinKVPipeline

    return saved(Flux2KleinKVPipeline(**flux2_parts(), is_distilled=True), folder)


def z_image(folder: Path) -> Path:
    return z_image_shifted(folder, 3.0)


def z_image_base(folder: Path) -> Path:
    return z_image_shifted(folder, 6.0)


def z_image_shifted(folder: Path, shift: float) -> Path:
    from diffusers import ZImagePipeline, ZImageTransformer2DModel

    transformer = ZImageTransformer2DModel(
        in_channels=4,
        dim=16,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[2, 2, 4],
        axes_lens=[1024, 64, 64],
    )
    pipeline = ZImagePipeline(
        scheduler=scheduler(shift=shift),
        vae=kl_vae(),
        text_encoder=qwen3_encoder(),
        tokenizer=qwen_tokenizer(),
        transformer=enliven(transformer, 11),
    )
    return saved(pipeline, folder)


def small_references(patch: pytest.MonkeyPatch) -> None:
    """Let diffusers bring Qwen's inputs to 64 x 64 instead of a megapixel, which takes seconds on a CPU."""
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit as edit
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_inpaint as inpaint
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as plus

    for module in (edit, inpaint, plus):
        full = module.calculate_dimensions
        patch.setattr(module, "calculate_dimensions", lambda area, ratio, full=full: full(area / 256, ratio))


def saved(pipeline: Any, folder: Path) -> Path:
    pipeline.save_pretrained(folder)
    return folder


def flux_img2img(folder: Path) -> Path:
    """A pipeline that no family of ours claims."""
    from diffusers import FluxImg2ImgPipeline

    return saved(FluxImg2ImgPipeline(**flux_parts()), folder)


def flux_inpaint(folder: Path) -> Path:
    """A pipeline that no family of ours claims and that wants a mask."""
    from diffusers import FluxInpaintPipeline

    return saved(FluxInpaintPipeline(**flux_parts()), folder)

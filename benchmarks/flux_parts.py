"""FLUX.1 with random weights: at its true size, built where it will run, or at a toy size."""

import math
from pathlib import Path
from typing import Any

STEPS = 28
# Source: the config.json files of FLUX.1-dev and FLUX.1-Kontext-dev, which differ in nothing but the pipeline.
TRANSFORMER = {
    "in_channels": 64,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "guidance_embeds": True,
    "axes_dims_rope": (16, 56, 56),
}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 16,
    "norm_num_groups": 32,
    "sample_size": 1024,
    "scaling_factor": 0.3611,
    "shift_factor": 0.1159,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "force_upcast": True,
}
CLIP = {
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "projection_dim": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}
T5 = {
    "vocab_size": 32128,
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
}
SCHEDULER = {
    "use_dynamic_shifting": True,
    "shift": 3.0,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "max_image_seq_len": 4096,
}
MODELS = ("transformer", "vae", "text_encoder", "text_encoder_2")


def true_parts(device: str) -> dict[str, Any]:
    """The parts of FLUX.1 in bfloat16; on the device "meta" they have shapes and no weights."""
    import torch
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    from tests.kit.tiny_encoders import clip_parts, t5_parts

    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    tokenizer, tokenizer_2 = clip_parts()[0], t5_parts()[0]
    clip = CLIPTextConfig(**CLIP, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    try:
        with torch.device("meta"):
            models = {
                "transformer": FluxTransformer2DModel(**TRANSFORMER),
                "vae": AutoencoderKL(**VAE),
                "text_encoder": CLIPTextModel(clip),
                "text_encoder_2": T5EncoderModel(T5Config(**T5, is_encoder_decoder=False, use_cache=False)),
            }
        if device != "meta":
            models = {name: enlivened(model, device) for name, model in models.items()}
    finally:
        torch.set_default_dtype(usual)
    others = {"scheduler": FlowMatchEulerDiscreteScheduler(**SCHEDULER), "tokenizer": tokenizer}
    return {**models, **others, "tokenizer_2": tokenizer_2}


def toy_parts() -> dict[str, Any]:
    """The tests' tiny FLUX.1 with four blocks instead of two."""
    from diffusers import FluxTransformer2DModel

    from tests.kit.tiny import enliven, flux_parts

    parts = flux_parts()
    config = {**parts["transformer"].config, "num_layers": 2, "num_single_layers": 2}
    parts["transformer"] = enliven(FluxTransformer2DModel.from_config(config), 6)
    return parts


def enlivened(model: Any, device: str) -> Any:
    """Draw weights of unit gain on the device, since the libraries' own initial weights give nearly grey pictures."""
    import torch

    model = model.to_empty(device=device)
    noise = torch.Generator(device).manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                fan_in = weight[0].numel() if "embed_tokens" not in name and "shared" not in name else 1
                weight.normal_(0, 1 / math.sqrt(fan_in), generator=noise)
            elif name.endswith("bias"):
                weight.normal_(0, 0.1, generator=noise)
            else:
                weight.fill_(1.0)
        for name, buffer in model.named_buffers():
            assert name.endswith("position_ids"), f"{name} would stay empty"
            buffer.copy_(torch.arange(buffer.shape[-1]).expand(buffer.shape))
    return model.eval()


def sharing_weights(transformer: Any) -> Any:
    """Make a second transformer on the same weights, so that changes to one leave the other as it is."""
    import torch

    with torch.device("meta"):
        twin = type(transformer).from_config(transformer.config)
    twin.load_state_dict(transformer.state_dict(), assign=True)
    return twin.eval()


def write_checkpoint(folder: Path, parts: dict[str, Any], kind: type) -> Path:
    """Write a checkpoint without weights, which are handed over in memory."""
    kind(**parts).save_config(folder)
    for name, part in parts.items():
        if name not in MODELS:
            part.save_pretrained(folder / name)
        elif hasattr(part, "save_config"):
            part.save_config(folder / name)
        else:
            part.config.save_pretrained(folder / name)
    return folder


def floor_seconds(half: str, *, fp8: bool) -> float:
    """The least time of a 1024 x 1024 picture at the rates an H100 sustains.

    Source: 57 blocks x (24 D^2 N + 4 N^2 D) operations a step, N = 512 tokens of text, 4096 of the picture and 4096 of
    a reference; 790 TFLOP/s in bfloat16, 1470 in fp8, which the linear layers use.
    """
    width = TRANSFORMER["attention_head_dim"] * TRANSFORMER["num_attention_heads"]  # type: ignore[operator]
    tokens = 512 + 4096 * (2 if half == "kontext" else 1)
    linear, attention = (57 * STEPS * each for each in (24 * width**2 * tokens, 4 * tokens**2 * width))
    return linear / (1470e12 if fp8 else 790e12) + attention / 790e12

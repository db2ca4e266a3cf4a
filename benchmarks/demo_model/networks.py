"""Builds the demo model from FLUX-Kontext's own classes, small enough to be packaged and to be trained on a CPU.

The pipelines pad every text to 512 tokens and mask no padding. So that padding does not matter to the model, the
padding token's embedding is zero, and a token of the text encoder attends only to itself and to near tokens after it,
so padding never sees words. Then the encoding of padding is exactly zero, a few padding tokens can stand for all of it
(`flow.py` gives them the weight), and every padded length gives the same picture.
"""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxKontextPipeline, FluxTransformer2DModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast, T5Config, T5EncoderModel

from benchmarks.demo_model.beginning import begin_as_copy
from benchmarks.demo_model.tokenizer import BEGIN_ID, END_ID, LENGTH, PAD_ID
from dataflow.demo.world import SIDE

LATENT_CHANNELS = 8
DOWNSCALING = 8
TEXT_WIDTH = 64

# Not -inf, because the weights are stored in fp16.
_NEVER = -1e4
_BUCKETS = 16
TEXT_REACH = 12
"""The most tokens after a word that the T5 encoder attends to; so many must follow it for its encoding to be exact."""


class Networks(nn.Module):
    """The three networks that are trained together; the autoencoder is trained before them."""

    def __init__(self, transformer: FluxTransformer2DModel, clip: CLIPTextModel, t5: T5EncoderModel) -> None:
        super().__init__()
        self.transformer = transformer
        self.clip = clip
        self.t5 = t5
        # The gradient of a zero vector's norm is in the thousands, and would dominate when gradients are clipped;
        # torch computes no gradient for the embedding of the padding index.
        for words in (t5.shared, t5.encoder.embed_tokens):
            words.padding_idx = PAD_ID
        self.keep_padding_silent()

    @torch.no_grad()
    def keep_padding_silent(self) -> None:
        """Sets the padding's embedding and the attention's direction again, which training must not change."""
        self.t5.shared.weight[PAD_ID] = 0
        bias = self.t5.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight
        bias[1 : _BUCKETS // 2] = _NEVER
        bias[_BUCKETS - 1] = _NEVER


def build_autoencoder() -> AutoencoderKL:
    """The untrained autoencoder: 64 x 64 pixels to 8 x 8 latents of LATENT_CHANNELS."""
    channels = (8, 16, 32, 64)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        block_out_channels=channels,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
        sample_size=SIDE,
        scaling_factor=1.0,
        shift_factor=0.0,
    )


def _build_transformer() -> FluxTransformer2DModel:
    transformer = FluxTransformer2DModel(
        in_channels=4 * LATENT_CHANNELS,
        num_layers=2,
        num_single_layers=4,
        attention_head_dim=32,
        num_attention_heads=4,
        joint_attention_dim=TEXT_WIDTH,
        pooled_projection_dim=TEXT_WIDTH,
        guidance_embeds=False,
        axes_dims_rope=(8, 12, 12),
    )
    begin_as_copy(transformer)
    return transformer


def build_networks(vocabulary: int) -> Networks:
    """The untrained transformer and text encoders, for a tokenizer of `vocabulary` tokens."""
    transformer = _build_transformer()  # built first: all three take their random weights from one seed, in order
    tokens = {"bos_token_id": BEGIN_ID, "eos_token_id": END_ID, "pad_token_id": PAD_ID}
    clip = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            **tokens,
        )
    )
    t5 = T5EncoderModel(
        T5Config(
            vocab_size=vocabulary,
            d_model=TEXT_WIDTH,
            d_kv=TEXT_WIDTH // 4,
            d_ff=4 * TEXT_WIDTH,
            num_layers=2,
            num_heads=4,
            relative_attention_num_buckets=_BUCKETS,
            relative_attention_max_distance=TEXT_REACH,
            dropout_rate=0.0,
            **tokens,
        )
    )
    return Networks(transformer, clip, t5)


def build_pipeline(
    autoencoder: AutoencoderKL, networks: Networks, tokenizer: PreTrainedTokenizerFast
) -> FluxKontextPipeline:
    """The pipeline of the given networks, which are not copied."""
    return FluxKontextPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder,
        text_encoder=networks.clip,
        tokenizer=tokenizer,
        text_encoder_2=networks.t5,
        tokenizer_2=tokenizer,
        transformer=networks.transformer,
    )


def save_pipeline(pipeline: FluxKontextPipeline, folder: Path) -> None:
    """Writes the pipeline so that `FluxKontextPipeline` and `FluxPipeline` can load it.

    The text encoders are written in fp32. transformers loads weights in the precision of their file and diffusers in
    fp32, and the pipelines need one precision for all.
    """
    half = {"vae": pipeline.vae, "transformer": pipeline.transformer}
    pipeline.save_pretrained(folder)
    for name, network in half.items():
        copy = type(network).from_config(network.config)
        copy.load_state_dict(network.state_dict())
        copy.half().save_pretrained(folder / name)
    for weights in folder.rglob("*.safetensors"):
        # diffusers leaves them readable by their owner alone.
        weights.chmod(0o644)

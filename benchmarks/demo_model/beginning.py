"""Sets the initial weights of the demo's transformer, so that it copies its reference picture before any training.

Nearly all of an edited picture equals its source picture, and FLUX can read the source through attention alone. To
learn that takes the first thousand steps of training. So one head of the first block is set by hand to attend to the
source's token at the same place, and the output is set to the input token minus what that head returns. All other
blocks begin as the identity, as in DiT (arXiv 2212.09748, adaLN-Zero). Training changes all of these weights.
"""

from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from torch import nn

# Sharp enough that neighbouring places, one radian apart in the rotary embedding, hardly mix.
_SHARPNESS = 2.4
# Channels of constant value in front of the first norm: with them it scales all tokens nearly alike.
_CONSTANT = 2.0
_QUIET = 0.1


@torch.no_grad()
def begin_as_copy(transformer: FluxTransformer2DModel) -> None:
    """Sets the starting weights.

    Args:
        transformer: its head size is its number of input channels; four or more heads.
    """
    _silence(transformer)
    config = transformer.config
    token, width = config.in_channels, transformer.inner_dim
    noise, copied, constant = slice(0, token), slice(token, 2 * token), slice(width - token, width)

    entry = transformer.x_embedder
    block: Any = transformer.transformer_blocks[0]
    nn.init.normal_(entry.weight, std=_QUIET)
    entry.bias.zero_()
    entry.weight[noise] = torch.eye(token)
    entry.weight[copied] = entry.weight[constant] = 0
    entry.bias[constant] = _CONSTANT * torch.ones(token).view(-1, 2).mul(torch.tensor([1.0, -1.0])).view(-1)
    before = _norm(1.0, _CONSTANT**2, width=width, token=token)

    _look_at_reference(block.attn, token, tuple(config.axes_dims_rope))
    head = slice(0, token)
    block.attn.to_v.weight[head] = torch.eye(token, width)
    block.attn.to_v.bias[head] = 0
    block.attn.to_out[0].weight[copied] = torch.eye(token, width)
    block.attn.to_out[0].bias[copied] = 0
    # The third of the six vectors that this layer gives is the gate of the attention.
    block.norm1.linear.bias[2 * width :][copied] = 1

    after = _norm(1.0, _CONSTANT**2, before**-2, width=width, token=token)
    transformer.proj_out.weight[:, noise] = after * torch.eye(token)
    transformer.proj_out.weight[:, copied] = -after * before * torch.eye(token)


def _norm(*squares: float, width: int, token: int) -> float:
    """What the layer norm divides by, if some groups of channels have these mean squares and the rest are zero."""
    return float((sum(squares) * token / width) ** 0.5)


def _look_at_reference(attention: Any, size: int, axes: tuple[int, ...]) -> None:
    """Lets the first head attend to the token of the same row and column whose first coordinate is one higher."""
    query, key = torch.zeros(size), torch.zeros(size)
    for start, ahead in zip((0, axes[0], axes[0] + axes[1]), (1.0, 0.0, 0.0), strict=True):
        # The first pair of an axis turns by one radian a place.
        angle = torch.tensor(-ahead)
        query[start], key[start], key[start + 1] = 1.0, angle.cos(), angle.sin()
    for layer, towards in ((attention.to_q, query), (attention.to_k, key), (attention.add_k_proj, -key)):
        layer.weight[:size] *= _QUIET
        layer.bias[:size] = 2 * towards
    for norm in (attention.norm_q, attention.norm_k):
        norm.weight.fill_(_SHARPNESS)


def _silence(transformer: FluxTransformer2DModel) -> None:
    """Sets every block to add nothing, and the output to zero."""
    for name, module in transformer.named_modules():
        if isinstance(module, nn.Linear) and (name.endswith((".linear", "norm_out.linear")) or name == "proj_out"):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)

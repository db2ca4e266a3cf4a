"""Converts scenes and pictures into the tensors that networks take, and back."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dataflow.demo.world import BACKGROUNDS, SIDE, Pixels, Scene, paint


def as_tensor(pixels: Sequence[Pixels]) -> Tensor:
    """Pictures of one size as a float tensor (n, 3, height, width) from -1 to 1."""
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


def as_pictures(tensor: Tensor) -> list[Image.Image]:
    """The RGB pictures of a float tensor (n, 3, height, width) from -1 to 1."""
    levels = tensor.detach().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return [Image.fromarray(picture) for picture in levels.permute(0, 2, 3, 1).cpu().numpy()]


def shape_mask(scene: Scene, pixels: Pixels) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Where the painted scene shows something other than its background."""
    behind = np.asarray(BACKGROUNDS[scene.background], dtype=np.uint8)
    mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = (pixels != behind).any(axis=-1)
    return mask


def stitched(scenes: Sequence[Scene]) -> Pixels:
    """The scenes drawn side by side, as servings stitch several pictures for a model that takes one."""
    return np.concatenate([paint(scene) for scene in scenes], axis=1).reshape(SIDE, -1, 3)
